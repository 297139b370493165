"""The settings that every statement carries, so that a user's profile changes no number.

A profile on the server can change how names resolve, what becomes NULL, which rows an insert keeps
and how many an answer holds. Each statement of either client says what it relies on instead; the
values are ClickHouse's own defaults unless a comment says why not. Limits of time and memory stay
the profile's: a statement that exceeds one is refused, and changes nothing.
https://clickhouse.com/docs/operations/settings/settings

A statement also says who runs it and for what: `log_comment`, which system.query_log keeps.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from types import MappingProxyType

CLIENT_NAME = "cloud-cost-etl"
Value = str | int

_NAMES_AND_TYPES: Mapping[str, Value] = {
    "dialect": "clickhouse",
    "compatibility": "",
    "enable_analyzer": 1,
    "prefer_column_name_to_alias": 0,
    "analyzer_compatibility_join_using_top_level_identifier": 0,
    "analyzer_compatibility_prefer_alias_over_subcolumn": 0,
    "single_join_prefer_left_table": 1,
    "enable_positional_arguments": 1,
    "enable_global_with_statement": 1,
    "enable_scopes_for_with_statement": 1,
    "allow_experimental_correlated_subqueries": 1,
    "legacy_column_name_of_tuple_literal": 0,
    "cast_keep_nullable": 0,
    "data_type_default_nullable": 0,
    "join_use_nulls": 0,
    "group_by_use_nulls": 0,
    "aggregate_functions_null_for_empty": 0,
    "transform_null_in": 0,
    "any_join_distinct_right_table_keys": 0,
    "join_any_take_last_row": 0,
    "join_default_strictness": "ALL",
    "union_default_mode": "",
    "intersect_default_mode": "ALL",
    "except_default_mode": "ALL",
    "empty_result_for_aggregation_by_empty_set": 0,
    "empty_result_for_aggregation_by_constant_keys_on_empty_set": 1,
    "use_variant_as_common_type": 1,
    "allow_lossy_numeric_supertype": 0,
    "enable_named_columns_in_function_tuple": 0,
    "enable_unaligned_array_join": 0,
}
_FUNCTIONS: Mapping[str, Value] = {
    "session_timezone": "UTC",  # by default the server's
    "count_distinct_implementation": "uniqExact",
    "rewrite_count_distinct_if_with_count_distinct_implementation": 0,
    "optimize_trivial_approximate_count_query": 0,
    "short_circuit_function_evaluation": "enable",
    "decimal_check_overflow": 1,
    "date_time_overflow_behavior": "ignore",
    "least_greatest_legacy_null_behavior": 0,
    "enable_extended_results_for_datetime_functions": 0,
    "function_date_trunc_return_type_behavior": 0,
    "use_legacy_to_time": 0,
    "date_time_input_format": "best_effort",
    "date_time_output_format": "simple",
    "date_time_64_output_format_cut_trailing_zeros_align_to_groups_of_thousands": 0,
    "cast_string_to_date_time_mode": "best_effort",
    "precise_float_parsing": 1,
    "output_format_decimal_trailing_zeros": 0,
    "bool_true_representation": "true",
    "bool_false_representation": "false",
    "splitby_max_substrings_includes_remaining_string": 0,
    "formatdatetime_f_prints_single_zero": 0,
    "formatdatetime_format_without_leading_zeros": 0,
    "formatdatetime_parsedatetime_m_is_month_name": 1,
    "parsedatetime_parse_without_leading_zeros": 1,
    "function_json_value_return_type_allow_complex": 0,
    "function_json_value_return_type_allow_nullable": 0,
    "function_locate_has_mysql_compatible_argument_order": 1,
    "regexp_max_matches_per_row": 1000,
    "count_matches_stop_at_empty_match": 0,
}
_ROWS: Mapping[str, Value] = {
    "limit": 0,
    "offset": 0,
    "filter": "",
    "select": "",
    "order": "",
    "sort": "",
    "additional_result_filter": "",
    "additional_table_filters": "{}",
    "final": 0,
    "enable_shared_storage_snapshot_in_query": 1,  # `trades` reads a table twice; 0 before 25.12
    "do_not_merge_across_partitions_select_final": 0,
    "apply_deleted_mask": 1,
    "use_query_cache": 0,
    "select_sequential_consistency": 1,  # on ClickHouse Cloud a read sees all writes before it
    "extremes": 0,
    "skip_unavailable_shards": 0,
    "distributed_group_by_no_merge": 0,
    "enable_parallel_replicas": 0,
    "automatic_parallel_replicas_mode": 0,
    "asterisk_include_materialized_columns": 0,
    "asterisk_include_alias_columns": 0,
    "asterisk_include_virtual_columns": 0,
    "describe_compact_output": 0,
    "describe_include_subcolumns": 0,
    "describe_include_virtual_columns": 0,
    "show_table_uuid_in_table_create_query_if_not_nil": 0,
    "print_pretty_type_names": 1,
    "output_format_native_encode_types_in_binary_format": 0,
    "output_format_native_use_flattened_dynamic_and_json_serialization": 0,
    "http_write_exception_in_output_format": 0,
    **dict.fromkeys(  # 'break' ends a statement early without an error
        (
            "read_overflow_mode",
            "read_overflow_mode_leaf",
            "group_by_overflow_mode",
            "sort_overflow_mode",
            "result_overflow_mode",
            "timeout_overflow_mode",
            "timeout_overflow_mode_leaf",
            "set_overflow_mode",
            "join_overflow_mode",
            "transfer_overflow_mode",
            "distinct_overflow_mode",
        ),
        "throw",
    ),
}
# input_format_null_as_default is not here: clickhouse-driver itself makes 0 of None by it
_INSERTS: Mapping[str, Value] = {
    "async_insert": 0,  # an insert is a batch, and its errors are its own
    "wait_for_async_insert": 1,
    # a private table gets each file once; equal files of one delivery are not one file
    "insert_deduplicate": 0,
    "deduplicate_insert": "disable",
    "deduplicate_insert_select": "disable",
    "deduplicate_blocks_in_dependent_materialized_views": 0,
    "insert_deduplication_token": "",
    "insert_null_as_default": 1,
    "input_format_defaults_for_omitted_fields": 1,
    "input_format_force_null_for_omitted_fields": 0,
    "input_format_skip_unknown_fields": 0,  # an unknown column is refused by name
    "input_format_allow_errors_num": 0,
    "input_format_allow_errors_ratio": 0,
    "input_format_read_datetime_number_as_raw_value": 0,
    "input_format_parquet_case_insensitive_column_matching": 0,
    "input_format_parquet_allow_missing_columns": 1,
    "input_format_parquet_import_nested": 0,
    "input_format_parquet_skip_columns_with_unsupported_types_in_schema_inference": 0,
    "input_format_parquet_local_time_as_utc": 1,
    "materialized_views_ignore_errors": 0,
    "ignore_materialized_views_with_dropped_target_table": 0,
    "insert_allow_materialized_columns": 0,
    "max_partitions_per_insert_block": 0,  # a rebuild writes many partitions at once
    "throw_on_max_partitions_per_insert_block": 1,
}
_DEFINITIONS: Mapping[str, Value] = {
    "flatten_nested": 1,
    "create_if_not_exists": 0,
    "default_normal_view_sql_security": "INVOKER",
    "default_materialized_view_sql_security": "DEFINER",
    "default_view_definer": "CURRENT_USER",
    "allow_materialized_view_with_bad_select": 0,
    "enable_positional_arguments_for_projections": 0,
    "allow_replace_partition_from_empty_source": 0,
    "mutations_sync": 2,  # what is deleted is gone when the statement ends
    "lightweight_deletes_sync": 2,
    "distributed_ddl_output_mode": "throw",
    # whole partitions and private tables are what is replaced here, whatever their size
    "max_table_size_to_drop": 0,
    "max_partition_size_to_drop": 0,
}
_SIZES: Mapping[str, Value] = {  # of the statement itself, which grows with columns and lookups
    "max_query_size": 1 << 30,
    "max_ast_elements": 10_000_000,
    "max_expanded_ast_elements": 10_000_000,
    "max_ast_depth": 1000,
    "max_parser_depth": 1000,
    "max_parser_backtracks": 10_000_000,
    "max_subquery_depth": 100,
    "max_columns_to_read": 0,
    "max_temporary_columns": 0,
    "max_temporary_non_const_columns": 0,
    "max_partitions_to_read": -1,
    "force_index_by_date": 0,
    "force_primary_key": 0,
    "force_optimize_projection": 0,
}

#: Every statement's settings. A server that does not know one yet ignores it.
PINNED: Mapping[str, Value] = MappingProxyType(
    _NAMES_AND_TYPES | _FUNCTIONS | _ROWS | _INSERTS | _DEFINITIONS | _SIZES  # type: ignore[operator]
)

_OF_READERS = """
    prefer_column_name_to_alias enable_positional_arguments cast_keep_nullable join_use_nulls
    group_by_use_nulls aggregate_functions_null_for_empty transform_null_in join_default_strictness
    any_join_distinct_right_table_keys count_distinct_implementation union_default_mode
    least_greatest_legacy_null_behavior decimal_check_overflow session_timezone
    enable_extended_results_for_datetime_functions function_date_trunc_return_type_behavior
    output_format_decimal_trailing_zeros final
""".split()

_of_process: dict[str, str] = {}
_label: ContextVar[Mapping[str, str]] = ContextVar("label", default=MappingProxyType({}))


def label_process(**parts: str) -> None:
    """Say what this process does, such as its command, in all of its threads."""
    _of_process.clear()
    _of_process.update(parts)


@contextmanager
def labelled(**parts: str) -> Iterator[None]:
    """Add to the `log_comment` of the statements of this block: source, partition, step …"""
    token = _label.set({**_label.get(), **parts})
    try:
        yield
    finally:
        _label.reset(token)


def for_readers(select: str) -> str:
    """A view's select that means the same in every reader's session, whatever the profile."""
    values = (f"{name} = {_literal(PINNED[name])}" for name in _OF_READERS)
    return f"select * from (\n{select}\n)\nsettings\n    " + ",\n    ".join(values)


def _literal(value: Value) -> str:
    return f"'{value}'" if isinstance(value, str) else str(value)


def log_comment() -> str:
    """What the statements of this moment are for, as JSON with sorted keys."""
    return json.dumps({"client": CLIENT_NAME, **label()}, sort_keys=True)


def label() -> dict[str, str]:
    """What this moment is about: command, source, partition, step."""
    return {**_of_process, **_label.get()}


def of_statement(settings: Mapping[str, Value] | None = None) -> dict[str, Value]:
    """The settings of one statement; `settings` are its own, which win."""
    return {**PINNED, "log_comment": log_comment(), **(settings or {})}
