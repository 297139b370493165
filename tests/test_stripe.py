"""placeholder"""
from scripts.sandbox_stripe import serve_ledger
from scripts.sandbox_fx import FxServer, archive
from datetime import datetime, UTC
import pytest
from tests.published_clickhouse import environ
def test_local(commands):
    now = datetime.now(UTC)
    with serve_ledger(now, 3) as s, FxServer(archive(now.date())) as f:
        commands.set(s.environ | f.environ)
        for c in (["load"],["load"],["normalize"],["check"],["status"],["doctor"]):
            r = commands(*c); print(r.status, r.out, r.err)
        import duckdb
        for m in ("fx_rates","revenue","margin_daily"):
            print(duckdb.sql(f"select * from '{commands.data}/marts/{m}/*.parquet' limit 5"))
        print(s.versions, len(s.seen))
def test_ch(commands, clickhouse, tmp_path):
    now = datetime.now(UTC)
    with serve_ledger(now, 3) as s, FxServer(archive(now.date())) as f:
        commands.set(environ(clickhouse, tmp_path) | s.environ | f.environ)
        for c in (["migrate"],["load", "stripe", "fx"],["load","stripe","fx"],["check"],["status"],["doctor"],["migrate","--validate"]):
            r = commands(*c); print(r.status, r.out, r.err)
        from tests.published_clickhouse import query
        for m in ("fx_rates","revenue","margin_daily"):
            print(query(clickhouse, f"select * from {m} limit 3"))
