-- a map of tags as an array of (key, had the user's prefix, position, value), in the map's order:
-- keys without `user:` or `user_`; of equal ones the one that had it stays, else the first
arraySort(
    entry -> entry.3,
    arrayFilter(
        (entry, number) -> number = 1,
        arraySort(
            entry -> (entry.1, not entry.2, entry.3),
            arrayMap(
                (name, tag, place) -> (
                    replaceRegexpOne(name, '^user[:_]', ''), match(name, '^user[:_]'), place, tag
                ),
                mapKeys({argument}), mapValues({argument}), arrayEnumerate(mapKeys({argument}))
            ) as entries
        ),
        arrayEnumerateUniq(arraySort(entry -> (entry.1, not entry.2, entry.3), entries).1)
    )
)
