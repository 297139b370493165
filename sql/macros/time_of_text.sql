-- a time of 1970 to 2099 as ISO 8601 in UTC, such as 2027-03-14T10:00:00.000Z; NULL otherwise
parseDateTime64BestEffortOrNull(
    extract(
        ifNull(toString({argument}), ''),
        concat(
            '^((?:19[7-9]|20[0-9])[0-9]-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])',
            '(?:[T ](?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](?:\\.[0-9]{1,6})?)?)',
            '(?:Z|\\+00:?00)?$'
        )
    ),
    6,
    'UTC'
)
