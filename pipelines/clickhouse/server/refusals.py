"""What a server's refusals mean, by their codes, and how to fix them; `{…}` as in rules.py.

https://github.com/ClickHouse/ClickHouse/blob/master/src/Common/ErrorCodes.cpp
"""

from __future__ import annotations

from pipelines.clickhouse.server.rules import Kind, Problem, Rule

_NEED = "as an administrator: alter user {user} settings"


def _refusal(what: str, fix: str) -> Problem:
    return Problem(Kind.QUERY, f"{what}: {{detail}}", fix)


#: Codes of states that pass by themselves: the same is tried again, with growing pauses.
PASSING = frozenset((202, 209, 210, 225, 236, 241, 242, 243, 252, 319, 394, 425, 999))

_MEMORY = _refusal(
    "the server has no memory left for this statement",
    f"{_NEED} max_memory_usage = 0 when it is the user's limit; else give the server more memory, "
    "or load when less runs on it",
)
_ROWS = _refusal(
    "the statement reads or makes more rows or bytes than the user's profile allows",
    # the server's text names a setting only of rows to read
    f"{_NEED} max_rows_to_read = 0, max_bytes_to_read = 0, max_rows_to_group_by = 0, "
    "max_rows_to_sort = 0, max_bytes_to_sort = 0",
)
_COLUMNS = _refusal(
    "the statement reads more columns than the user's profile allows",
    f"{_NEED} max_columns_to_read = 0, max_temporary_columns = 0, "
    "max_temporary_non_const_columns = 0",
)
_SET = _refusal(
    "a set or a join in the statement is larger than the user's profile allows",
    f"{_NEED} max_rows_in_set = 0, max_bytes_in_set = 0, max_rows_in_join = 0, "
    "max_bytes_in_join = 0",
)
_STATEMENT = _refusal(
    "the statement is larger than the server allows",
    f"{_NEED} max_query_size = 1073741824, max_ast_elements = 10000000, "
    "max_expanded_ast_elements = 10000000",
)
_KEEPER = _refusal(
    "the server has lost its connection to Keeper, and its replicated tables take no writes",
    "see that Keeper runs and that the server reaches it, then run the command again",
)

REFUSALS: dict[int, Problem] = {
    158: _ROWS,
    159: _refusal(
        "the statement took longer than the user's profile allows",
        f"{_NEED} max_execution_time = 0",
    ),
    160: _refusal(
        "the statement is slower than the user's profile allows",
        f"{_NEED} min_execution_speed = 0, min_execution_speed_bytes = 0, max_execution_time = 0",
    ),
    161: _COLUMNS,
    164: _refusal(
        "user {user} may only read, or not change settings",
        f"{_NEED} readonly = 0; for check, status and report readonly = 2 is enough",
    ),
    167: _STATEMENT,
    168: _STATEMENT,
    191: _SET,
    201: _refusal(
        "user {user} has used up a quota",
        "wait until the interval in the text ends, or as an administrator raise it "
        "(show quotas; alter quota … to {user})",
    ),
    225: _KEEPER,
    236: _refusal("the server gave the statement up", "run the command again"),
    241: _MEMORY,
    242: _refusal(
        "the table takes no writes at the moment",
        "see system.replicas and the disks of the server, then run the command again",
    ),
    243: _refusal(
        "a disk of the server is full",
        "free space: python -m pipelines prune removes old partitions, or add a disk to the "
        "storage policy; then run the command again",
    ),
    252: _refusal(
        "the table has more parts than the server merges in time",
        "wait until merges catch up (system.merges), then run the command again",
    ),
    290: _refusal("the statement exceeds a limit of the user's profile", f"{_NEED} that limit = 0"),
    306: _STATEMENT,
    307: _ROWS,
    319: _refusal(
        "replicas did not confirm the insert",
        "see system.replicas; when they are back, run the command again",
    ),
    359: _refusal(
        "the table or partition is larger than the server lets anybody drop",
        "as an administrator: set max_table_size_to_drop and max_partition_size_to_drop to 0 in "
        "the server's configuration, or in the profile of user {user}",
    ),
    392: _refusal(
        "user {user} may not create or alter tables",
        f"{_NEED} allow_ddl = 1",
    ),
    394: _refusal("somebody cancelled the statement", "run the command again"),
    396: _refusal(
        "the answer has more rows or bytes than the user's profile allows",
        f"{_NEED} max_result_rows = 0, max_result_bytes = 0",
    ),
    452: _refusal(
        "the profile of user {user} forbids a setting that our statements rely on",
        "as an administrator: remove the constraint on the setting that the text names",
    ),
    469: _refusal(
        "a constraint of the table refuses a row",
        "drop the constraint, which is not of sql/: alter table … drop constraint …; "
        "show create table has its name",
    ),
    999: _KEEPER,
}
#: Refusals that share a code with others.
OF_TEXT = (
    Rule("Max query size exceeded", _STATEMENT),
    Rule(
        "max_partitions_per_insert_block",
        _refusal(
            "the statement writes more partitions than the user's profile allows",
            f"{_NEED} max_partitions_per_insert_block = 0",
        ),
    ),
    Rule(
        r"^Setting \w+ is readonly",
        Problem(
            Kind.QUERY,
            "the profile of user {user} forbids a setting that our statements rely on: {detail}",
            "as an administrator: remove the constraint on it, or give the user readonly = 0",
        ),
    ),
)


def passes(code: int | None, text: str = "") -> bool:
    """Whether what the server refused may go through a little later."""
    return code in PASSING and "max_partitions_per_insert_block" not in text
