-- one tag of a raw AWS line, by its key as AWS writes it, as legacy parquet does, or as in CUR 2.0's tags
coalesce(
    nullif(resource_tags['{argument}'], ''),
    nullif(resource_tags[replace(replace('{argument}', ':', '_'), '-', '_')], ''),
    nullif(tags[concat('resourceTags/', '{argument}')], '')
)
