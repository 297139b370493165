from scripts.bench_figures import Section
from scripts.bench_local import Bench
def clickhouse(bench: Bench) -> Section:
    raise NotImplementedError
