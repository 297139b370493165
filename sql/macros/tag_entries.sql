-- a map of tags as (keys, values), in the map's order: keys without `user:` or `user_`; of equal
-- ones the one that had it stays, else the first. Few rows have equal ones; only those are sorted
if(
    arrayUniq(
        arrayMap(name -> replaceRegexpOne(name, '^user[:_]', ''), mapKeys({argument})) as stripped
    ) = length(stripped),
    (stripped, mapValues({argument})),
    (
        arrayMap(
            place -> stripped[place],
            arraySort(
                arrayFilter(
                    (place, number) -> number = 1,
                    arraySort(
                        place -> (
                            stripped[place], stripped[place] = mapKeys({argument})[place], place
                        ),
                        arrayEnumerate(stripped)
                    ) as places,
                    arrayEnumerateUniq(arrayMap(place -> stripped[place], places))
                )
            ) as winners
        ),
        arrayMap(place -> mapValues({argument})[place], winners)
    )
)
