import time, logging
from pathlib import Path
from pipelines.__main__ import main
from pipelines.clickhouse.manager import ClickHouseManager
from tests.months import deliver

def use(monkeypatch, c, bucket):
    for k, v in {"CLICKHOUSE_MODE":"local","CLICKHOUSE_HOST":c.host,"CLICKHOUSE_PORT":str(c.port),"CLICKHOUSE_HTTP_PORT":str(c.http_port),
      "CLICKHOUSE_USER":c.user,"CLICKHOUSE_PASSWORD":str(c.password),"CLICKHOUSE_DATABASE":c.database,"CLICKHOUSE_SECURE":"0",
      "DLT_DESTINATION":"clickhouse","SOURCES__AWS__BUCKET_URL":bucket.as_uri()}.items(): monkeypatch.setenv(k, v)

def test_x(clickhouse, tmp_path, monkeypatch, capsys):
    b = tmp_path/"bucket"
    use(monkeypatch, clickhouse, b)
    deliver(b, "2026-08", [8.0, .8]); deliver(b, "2026-09", [9.0,.9,.09], files=2)
    for i in range(3):
        t=time.time(); s=main(["load"]); print("status", s, time.time()-t)
        if i == 0: deliver(b, "2026-09", [99.], prefix="r")
    with ClickHouseManager(clickhouse) as m:
        for t in m.execute("show tables"): print(t)
        print(m.execute("select * from deliveries"))
        print(m.execute("select name, formatReadableQuantity(1) from system.functions limit 1"))
        t=time.time(); print(m.execute(f"backup database {clickhouse.database} to Memory('b1')")); print(time.time()-t)
        t=time.time(); m.execute(f"drop database {clickhouse.database} sync"); print(time.time()-t)
        t=time.time(); print(m.execute(f"restore database {clickhouse.database} from Memory('b1')")); print(time.time()-t)
        print(m.execute("select x_partition, sum(billed_cost) from costs group by 1"))
    print(capsys.readouterr().out)
    assert 0
