-- a figure of a day: NULL as soon as a part of it is not known
case
    when sum(case when figure = '{argument}' and amount is null then 1 else 0 end) = 0
        then sum(case when figure = '{argument}' then amount else 0 end)
end
