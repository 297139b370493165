-- GCP: raw cost lines as exported, and what is published of them. Twin: providers/gcp/normalize.py
-- Rules: Google, "Structure of Detailed data export"; net is cost plus credits, which are negative

-- one row per row of a billing export; records are flat, lists are the JSON text that BigQuery
-- writes; columns that are not named here are added as Google adds them
create table if not exists gcp_costs__billing_export (
    export_date String comment 'The partition: the UTC day of export_time, such as 2026-10-31.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s delivery.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When Google exported the newest row of the day.',
    x_form LowCardinality(String) comment 'Exports of the day: standard, detailed or both.',
    x_export_table LowCardinality(Nullable(String)) comment 'The table this row was read from.',
    x_credit_total Nullable(Float64) comment 'Sum of the credits as BigQuery computes it.',
    -- text
    billing_account_id LowCardinality(Nullable(String)),
    service_id LowCardinality(Nullable(String)),
    service_description LowCardinality(Nullable(String)),
    sku_id LowCardinality(Nullable(String)),
    sku_description LowCardinality(Nullable(String)),
    project_id LowCardinality(Nullable(String)),
    project_number LowCardinality(Nullable(String)),
    project_name LowCardinality(Nullable(String)),
    project_ancestry_numbers LowCardinality(Nullable(String)),
    location_location LowCardinality(Nullable(String)),
    location_country LowCardinality(Nullable(String)),
    location_region LowCardinality(Nullable(String)),
    location_zone LowCardinality(Nullable(String)),
    resource_name Nullable(String),
    resource_global_name Nullable(String),
    price_unit LowCardinality(Nullable(String)),
    subscription_instance_id Nullable(String),
    transaction_type LowCardinality(Nullable(String)),
    seller_name LowCardinality(Nullable(String)),
    currency LowCardinality(Nullable(String)),
    usage_unit LowCardinality(Nullable(String)),
    usage_pricing_unit LowCardinality(Nullable(String)),
    invoice_month LowCardinality(Nullable(String)),
    invoice_publisher_type LowCardinality(Nullable(String)),
    cost_type LowCardinality(Nullable(String)),
    adjustment_info_id Nullable(String),
    adjustment_info_description Nullable(String),
    adjustment_info_mode LowCardinality(Nullable(String)),
    adjustment_info_type LowCardinality(Nullable(String)),
    consumption_model_id LowCardinality(Nullable(String)),
    consumption_model_description LowCardinality(Nullable(String)),
    -- numbers
    price_effective_price Nullable(Decimal(38, 9)),
    price_tier_start_amount Nullable(Decimal(38, 9)),
    price_pricing_unit_quantity Nullable(Decimal(38, 9)),
    price_list_price Nullable(Decimal(38, 9)),
    price_effective_price_default Nullable(Decimal(38, 9)),
    price_list_price_consumption_model Nullable(Decimal(38, 9)),
    cost Nullable(Float64),
    currency_conversion_rate Nullable(Float64),
    usage_amount Nullable(Float64),
    usage_amount_in_pricing_units Nullable(Float64),
    cost_at_list Nullable(Float64),
    cost_at_effective_price_default Nullable(Decimal(38, 9)),
    cost_at_list_consumption_model Nullable(Decimal(38, 9)),
    -- times (UTC)
    usage_start_time Nullable(DateTime64(6, 'UTC')),
    usage_end_time Nullable(DateTime64(6, 'UTC')),
    export_time Nullable(DateTime64(6, 'UTC')),
    -- lists, as JSON text
    project_labels LowCardinality(Nullable(String)),
    project_ancestors LowCardinality(Nullable(String)),
    labels Nullable(String),
    system_labels Nullable(String),
    tags Nullable(String),
    credits Nullable(String)
)
engine = MergeTree
partition by export_date
order by ()
comment 'GCP cost lines as exported; an export day is replaced whole.';

-- one row per row of the export, in the cost shape
create table if not exists normalized_gcp (
    {columns:normalized_gcp}
)
engine = MergeTree
partition by x_partition
order by (x_partition, ifNull(x_usage_date, toDate32('1970-01-01')), ifNull(service_name, ''))
comment 'GCP cost, normalised; a partition is replaced whole. Twin: providers/gcp/normalize.py.';

-- one row per row of the export; fires on every insert into raw, and a load runs this same select
-- over its staging table
create materialized view if not exists normalize_gcp to {target:normalized_gcp} as
with source as (
    select
        *,
        -- '' counts as no value in every text
        ifNull(cost_type, '') as kind,
        kind in {gcp_cost_types:cost_type} as is_known,
        nullIf(billing_export.currency, '') as in_currency,
        nullIf(location_region, '') as region,
        ifNull(sku_description, '') as sku,
        {number:cost} as gross,
        -- credits: (amount, type)
        JSONExtract(
            ifNull(credits, ''), 'Array(Tuple(amount Float64, type Nullable(String)))'
        ) as credit_list,
        credit_list.1 as credit_amounts,
        arrayMap(name -> coalesce(nullIf(name, ''), 'unclassified'), credit_list.2) as credit_types,
        arrayDistinct(credit_types) as credit_kinds,
        arraySum(credit_amounts) as credit,
        -- to nine decimals a sum of floats has no drift
        round(gross + credit, 9) as net,
        -- commitments: fees, and usage that one paid for
        has(credit_kinds, 'FEE_UTILIZATION_OFFSET') as has_offset,
        kind = 'regular' and (startsWith(sku, 'Commitment') or has_offset) as is_fee,
        ifNull(consumption_model_id, '') not in ('', '7754-699E-0EBF') as is_flexible,
        kind = 'regular' and not is_fee and (
            is_flexible
            or hasAny(
                credit_kinds, ['COMMITTED_USAGE_DISCOUNT', 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE']
            )
        ) as is_covered,
        -- an invoice's month begins and ends at midnight in US/Pacific
        if(
            match(ifNull(invoice_month, ''), '^(19[7-9]|20[0-9]|21[0-9])[0-9](0[1-9]|1[0-2])$'),
            parseDateTimeBestEffortOrNull(
                concat(
                    substring(ifNull(invoice_month, ''), 1, 4),
                    '-',
                    substring(ifNull(invoice_month, ''), 5, 2),
                    '-01 00:00:00'
                ),
                'America/Los_Angeles'
            ),
            null
        ) as month_start,
        -- units of the currency for one USD as Google says; never guessed
        multiIf(
            isFinite(currency_conversion_rate) and currency_conversion_rate > 0,
            currency_conversion_rate,
            in_currency = 'USD',
            1.0,
            null
        ) as rate,
        -- tags: (key in the map, key to be found by, value); the first of equal ones stays
        JSONExtract(ifNull(labels, ''), 'Array(Tuple(key String, value String))') as own,
        JSONExtract(ifNull(billing_export.tags, ''), 'Array(Tuple(key String, value String))')
            as resource_tags,
        JSONExtract(ifNull(project_labels, ''), 'Array(Tuple(key String, value String))')
            as projects,
        arrayConcat(
            own.1,
            arrayMap(name -> concat('tag:', name), resource_tags.1),
            arrayMap(name -> concat('project:', name), projects.1)
        ) as map_keys,
        arrayMap(
            name -> replaceRegexpOne(name, '^user[:_]', ''),
            arrayConcat(own.1, resource_tags.1, projects.1)
        ) as tag_keys,
        arrayConcat(own.2, resource_tags.2, projects.2) as tag_values,
        arrayMap(name -> lowerUTF8(name), tag_keys) as lower_keys
    from {raw:gcp_costs__billing_export} as billing_export
)

select
    -- copied, by pipelines/providers/gcp/columns.csv
    {copied:gcp/columns},
    -- who
    coalesce(nullIf(seller_name, ''), if(transaction_type = 'GOOGLE', 'Google Cloud', null))
        as publisher_name,
    -- when (UTC)
    cast(toTimeZone(month_start, 'UTC') as Nullable(DateTime64(6, 'UTC'))) as billing_period_start,
    cast(toTimeZone(addMonths(month_start, 1), 'UTC') as Nullable(DateTime64(6, 'UTC')))
        as billing_period_end,
    -- what
    if(
        is_fee,
        'Purchase',
        transform(
            kind, {gcp_cost_types:cost_type}, {gcp_cost_types:charge_category}, 'unclassified'
        )
    ) as charge_category,
    if(
        is_fee,
        'Recurring',
        nullIf(
            transform(kind, {gcp_cost_types:cost_type}, {gcp_cost_types:charge_frequency}, ''), ''
        )
    ) as charge_frequency,
    if(
        nullIf(adjustment_info_id, '') is not null and usage_start_time < billing_period_start,
        'Correction',
        null
    ) as charge_class,
    coalesce(nullIf(adjustment_info_description, ''), nullIf(sku_description, ''))
        as charge_description,
    concat(nullIf(source.sku_id, ''), '/', toString(price_tier_start_amount)) as sku_price_id,
    coalesce(nullIf(resource_global_name, ''), nullIf(source.resource_name, '')) as resource_id,
    -- how much
    multiIf(
        kind = 'regular' and match(sku, 'Preemptible|\\bSpot\\b'),
        'Dynamic',
        is_covered,
        'Committed',
        nullIf(
            transform(kind, {gcp_cost_types:cost_type}, {gcp_cost_types:pricing_category}, ''), ''
        )
    ) as pricing_category,
    -- money, in billing_currency
    net as billed_cost,
    if(is_known, net, null) as effective_cost,
    -- a fee is a purchase, which has no price beside its cost
    if(is_known, if(is_fee, 0, coalesce({number:cost_at_list}, gross)), null) as list_cost,
    if(
        is_known,
        if(is_fee, 0, coalesce(toFloat64(cost_at_effective_price_default), gross)),
        null
    ) as contracted_cost,
    -- commitments
    if(is_fee or is_covered, 'Committed Use Discount', null) as commitment_discount_type,
    multiIf(
        is_fee,
        if(has_offset or position(sku, 'dollar based') > 0, 'Spend', 'Usage'),
        is_covered,
        if(
            is_flexible or has(credit_kinds, 'COMMITTED_USAGE_DISCOUNT_DOLLAR_BASE'),
            'Spend',
            'Usage'
        ),
        null
    ) as commitment_discount_category,
    multiIf(is_covered, 'Used', is_fee and has_offset and net > 0, 'Unused', null)
        as commitment_discount_status,
    -- tags
    mapFromArrays(
        arrayFilter((name, number) -> number = 1, map_keys, arrayEnumerateUniq(map_keys)),
        arrayFilter((value, number) -> number = 1, tag_values, arrayEnumerateUniq(map_keys))
    ) as tags,
    {tag_value:each} as {tag_column},
    -- ours
    toDate32(usage_start_time, 'UTC') as x_usage_date,
    export_date as x_partition,
    round(credit, 9) as x_credit_amount,
    mapFromArrays(
        credit_kinds,
        arrayMap(
            name -> round(
                arraySum(
                    arrayFilter(
                        (amount, type) -> type = name, credit_amounts, credit_types
                    )
                ),
                9
            ),
            credit_kinds
        )
    ) as x_credits,
    rate as x_currency_rate_usd,
    net / rate as x_billed_cost_usd,
    effective_cost / rate as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;

-- one row per table, account, month of use and currency, as BigQuery was last asked
create table if not exists gcp_costs__month_totals (
    {columns:gcp_costs__month_totals}
)
engine = MergeTree
partition by listing
order by ()
comment 'What the tables of billing exports hold, for the check gcp_month_totals.';
