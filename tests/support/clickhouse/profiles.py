"""Users whose profiles set unusual things, for a server of the test's own."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from xml.sax.saxutils import escape

from tests.support.clickhouse.server import Server

Profile = Mapping[str, str]

#: Values that a profile may have and that change an answer, a type or what an insert keeps.
UNUSUAL: Mapping[str, str] = {
    "additional_result_filter": "1 = 0",
    "aggregate_functions_null_for_empty": "1",
    "any_join_distinct_right_table_keys": "1",
    "asterisk_include_materialized_columns": "1",
    "async_insert": "1",
    "bool_true_representation": "yes",
    "cast_keep_nullable": "1",
    "compatibility": "23.8",
    "count_distinct_implementation": "uniq",
    "data_type_default_nullable": "1",
    "date_time_input_format": "basic",
    "date_time_output_format": "unix_timestamp",
    "deduplicate_blocks_in_dependent_materialized_views": "1",
    "describe_include_subcolumns": "1",
    "enable_extended_results_for_datetime_functions": "1",
    "enable_positional_arguments": "0",
    "extremes": "1",
    "final": "1",
    "force_primary_key": "1",
    "formatdatetime_parsedatetime_m_is_month_name": "0",
    "function_date_trunc_return_type_behavior": "1",
    "group_by_overflow_mode": "any",
    "group_by_use_nulls": "1",
    "input_format_allow_errors_num": "1000",
    "input_format_defaults_for_omitted_fields": "0",
    "insert_null_as_default": "0",
    "join_default_strictness": "ANY",
    "join_use_nulls": "1",
    "least_greatest_legacy_null_behavior": "1",
    "limit": "3",
    "materialized_views_ignore_errors": "1",
    "max_ast_elements": "50",
    "max_partitions_per_insert_block": "1",
    "max_query_size": "2000",
    "max_table_size_to_drop": "1",
    "mutations_sync": "0",
    "offset": "1",
    "output_format_decimal_trailing_zeros": "1",
    "precise_float_parsing": "0",
    "prefer_column_name_to_alias": "1",
    "result_overflow_mode": "break",
    "session_timezone": "America/Los_Angeles",
    "short_circuit_function_evaluation": "disable",
    "transform_null_in": "1",
    "union_default_mode": "DISTINCT",
    "use_query_cache": "1",
    "use_variant_as_common_type": "0",
}
#: Limits that are the profile's to set: a statement that exceeds one is refused by its name.
LIMITS: Mapping[str, str] = {
    "allow_ddl": "0",
    "max_bytes_to_read": "10",
    "max_columns_to_read": "2",
    "max_execution_time": "0.001",
    "max_memory_usage": "100000",
    "max_result_rows": "1",
    "max_rows_to_group_by": "1",
    "max_rows_to_read": "1",
    "readonly": "1",
}
#: What of it a reader's statement is meant to say: their own question, not what a view answers.
READERS_OWN = {
    "additional_result_filter", "extremes", "final", "force_primary_key", "limit", "offset",
    "max_ast_elements", "max_query_size", "use_query_cache",
    "bool_true_representation", "date_time_output_format",
}  # fmt: skip


def add_profiles(server: Server, password: str, profiles: Mapping[str, Profile]) -> None:
    """Give a running server a user with every right for each profile; it is restarted."""
    digest = hashlib.sha256(password.encode()).hexdigest()
    users, defined = "", ""
    for name, profile in profiles.items():
        values = "".join(f"<{n}>{escape(v)}</{n}>" for n, v in profile.items())
        defined += f"<{name}>{values}</{name}>"
        users += (
            f"<{name}><password_sha256_hex>{digest}</password_sha256_hex>"
            "<networks><ip>127.0.0.1</ip></networks><quota>default</quota>"
            f"<profile>{name}</profile><access_management>1</access_management></{name}>"
        )
    server.stop()
    folder = server.folder / "users.d"
    folder.mkdir(exist_ok=True)
    text = f"<clickhouse><profiles>{defined}</profiles><users>{users}</users></clickhouse>"
    (folder / "profiles.xml").write_text(text, encoding="utf-8")
    server.start()
