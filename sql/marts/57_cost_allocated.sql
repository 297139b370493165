-- one row per month of use (UTC), team, product and what is shared: effective cost, in cents
-- A line's team is the value of its team tag. sql/allocation.csv says what is shared and how it is
-- split between the teams; within a team by what its products cost. Cost without a team, and what
-- is left over of shared cost, is the team unallocated. The rows of a month add up to its cost to
-- the cent, by the largest remainders. Lines without a date of use count in the month of their
-- billing period.
with lines as (
    select
        cast(date_trunc('month', cost_day) as date) as month,
        coalesce({team}, '') as team,
        {product:cost} as product,
        {allocation:shared} as shared,
        {tag_column},
        coalesce(sum(each.effective_cost / each.reporting_rate), 0) as amount,
        sum(
            case
                when each.reporting_rate is null then each.x_lines
                else each.x_lines_without_effective_cost
            end
        ) as unknown
    from {in_reporting:costs_daily} as each
    where cost_day > cast('1971-01-01' as date)
    group by
        {tag_column},
        cast(date_trunc('month', cost_day) as date),
        coalesce({team}, ''),
        {product:cost},
        {allocation:shared}
),

-- what the teams cost themselves, by each rule's measure
measured as (
    select
        lines.month as month,
        rules.shared as shared,
        rules.split as split,
        lines.team as team,
        lines.product as product,
        greatest(sum(case when {allocation:basis} = 1 then lines.amount else 0 end), 0) as amount
    from lines
    cross join {allocation:rules} as rules
    where lines.shared = '' and lines.team <> ''
    group by lines.month, rules.shared, rules.split, lines.team, lines.product
),

teamed as (
    select
        *,
        sum(amount) over (partition by month, shared, team) as team_amount,
        sum(amount) over (partition by month, shared) as all_amount,
        row_number() over (partition by month, shared, team order by product) as place
    from measured
),

counted as (
    select
        *,
        sum(case when place = 1 and team_amount > 0 then 1 else 0 end) over (
            partition by month, shared
        ) as teams
    from teamed
),

pools as (
    select
        month,
        shared,
        sum(lines.amount) as amount,
        sum(lines.unknown) as unknown
    from lines
    where shared <> ''
    group by month, shared
),

-- a fixed target that costs nothing itself gets its share, too
weights as (
    select
        counted.month as month,
        counted.shared as shared,
        counted.split as split,
        counted.team as team,
        counted.product as product,
        case counted.split
            when 'even' then counted.amount / counted.team_amount / counted.teams
            when 'fixed' then counted.amount / counted.team_amount * coalesce(targets.share, 0)
            else counted.amount / counted.all_amount
        end as weight
    from counted
    left join {allocation:targets} as targets
        on counted.shared = targets.shared and counted.team = targets.team
    where counted.team_amount > 0
    union all
    select
        wanted.month as month,
        wanted.shared as shared,
        'fixed' as split,
        wanted.team as team,
        'unassigned' as product,
        sum(wanted.share) as weight
    from (
        select
            pools.month as month,
            pools.shared as shared,
            targets.team as team,
            targets.share as share,
            0 as has_cost
        from pools
        inner join {allocation:targets} as targets on pools.shared = targets.shared
        union all
        select
            month,
            shared,
            team,
            cast(0 as double) as share,
            1 as has_cost
        from counted
        where team_amount > 0
    ) as wanted
    group by wanted.month, wanted.shared, wanted.team
    having sum(wanted.has_cost) = 0 and sum(wanted.share) > 0
),

-- what a team gets is taken from what is left over
sides as (
    select 1 as side
    union all
    select -1 as side
),

amounts as (
    select
        lines.month as month,
        case when lines.team = '' then 'unallocated' else lines.team end as team,
        lines.product as product,
        '' as shared,
        case when lines.team = '' then 'none' else 'direct' end as split,
        sum(lines.amount) as amount,
        sum(lines.unknown) as unknown
    from lines
    where lines.shared = ''
    group by lines.month, lines.team, lines.product
    union all
    select
        pools.month as month,
        case when sides.side = 1 then weights.team else 'unallocated' end as team,
        case when sides.side = 1 then weights.product else 'unassigned' end as product,
        pools.shared as shared,
        case when sides.side = 1 then weights.split else 'none' end as split,
        pools.amount * weights.weight * sides.side as amount,
        0 as unknown
    from pools
    inner join weights on pools.month = weights.month and pools.shared = weights.shared
    cross join sides
    where weights.weight <> 0
    union all
    select
        month,
        'unallocated' as team,
        'unassigned' as product,
        shared,
        'none' as split,
        amount,
        unknown
    from pools
),

summed as (
    select
        month,
        team,
        product,
        shared,
        split,
        sum(amounts.amount) as amount,
        sum(amounts.unknown) as unknown
    from amounts
    group by month, team, product, shared, split
),

floored as (
    select
        *,
        floor(round(amount * 100, 6)) as whole_cents,
        round(amount * 100, 6) - floor(round(amount * 100, 6)) as remainder
    from summed
),

placed as (
    select
        *,
        row_number() over (
            partition by month
            order by round(remainder, 6) desc, team asc, product asc, shared asc, split asc
        ) as place,
        floor(round(sum(amount) over (partition by month) * 100, 6) + 0.5)
        - sum(whole_cents) over (partition by month) as missing
    from floored
),

rounded as (
    select
        *,
        whole_cents + case when place <= missing then 1 else 0 end as cents
    from placed
)

select
    month,
    team,
    product,
    shared,
    split,
    '{reporting_currency}' as reporting_currency,
    cast(
        cast(cast(cents as bigint) as decimal(20, 0))
        * cast('0.01' as decimal(18, 2)) as decimal(38, 9)
    ) as cost,
    unknown as line_items_without_cost
from rounded
where cents <> 0 or unknown > 0
order by month, team, product, shared, split
