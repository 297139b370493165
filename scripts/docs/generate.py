"""Write what documents list from the code, all of it: `python -m scripts.docs.generate`."""

from __future__ import annotations

from scripts.docs import (
    anomalies,
    clickhouse_tables,
    command_reference,
    data_dictionary,
    rill_columns,
)


def main() -> None:
    """The data dictionary, the commands, the tables of ClickHouse, Rill's empty files."""
    data_dictionary.PAGE.write_text(data_dictionary.page(), encoding="utf-8")
    data_dictionary.RULES.write_text(data_dictionary.rules(), encoding="utf-8")
    anomalies.RULES.write_text(anomalies.rules(), encoding="utf-8")
    command_reference.PAGE.write_text(command_reference.page(), encoding="utf-8")
    clickhouse_tables.PAGE.write_text(clickhouse_tables.page(), encoding="utf-8")
    rill_columns.write()


if __name__ == "__main__":
    main()
