-- an amount that is not NULL by the row's rate, rounded to a millionth: the same digits on every engine
cast(
    cast(
        cast(floor(coalesce({argument}, 0) * cast(1 as double) / cross_rate * 1000000 + 0.5) as bigint)
        as decimal(20, 0)
    ) * cast('0.000001' as decimal(18, 6)) as decimal(38, 9)
)
