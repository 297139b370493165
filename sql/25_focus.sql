-- FOCUS files of any provider: rows as delivered, and what is published of them.
-- Twin: providers/focus/normalize.py

-- one row per FOCUS row as a provider delivers it, its columns in snake_case; what is not named
-- here is added as text when a delivery brings it
create table if not exists focus__cost_and_usage (
    billing_period String comment 'The partition: month and export, such as 2026-10@oci.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s delivery.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When the provider wrote the delivery.',
    x_form LowCardinality(String) comment 'FOCUS and its version, by the columns.',
    x_export_provider LowCardinality(Nullable(String))
        comment 'The provider''s name by configuration.',
    -- text
    allocated_method_details Nullable(String),
    allocated_method_id LowCardinality(Nullable(String)),
    allocated_resource_id Nullable(String),
    allocated_resource_name Nullable(String),
    availability_zone LowCardinality(Nullable(String)),
    billing_account_id LowCardinality(Nullable(String)),
    billing_account_name LowCardinality(Nullable(String)),
    billing_account_type LowCardinality(Nullable(String)),
    billing_currency LowCardinality(Nullable(String)),
    capacity_reservation_id LowCardinality(Nullable(String)),
    capacity_reservation_status LowCardinality(Nullable(String)),
    charge_category LowCardinality(Nullable(String)),
    charge_class LowCardinality(Nullable(String)),
    charge_description Nullable(String),
    charge_frequency LowCardinality(Nullable(String)),
    charge_subcategory LowCardinality(Nullable(String)),
    commitment_discount_category LowCardinality(Nullable(String)),
    commitment_discount_id Nullable(String),
    commitment_discount_name LowCardinality(Nullable(String)),
    commitment_discount_status LowCardinality(Nullable(String)),
    commitment_discount_type LowCardinality(Nullable(String)),
    commitment_discount_unit LowCardinality(Nullable(String)),
    consumed_unit LowCardinality(Nullable(String)),
    contract_applied Nullable(String),
    host_provider_name LowCardinality(Nullable(String)),
    invoice_id Nullable(String),
    invoice_issuer_name LowCardinality(Nullable(String)),
    pricing_category LowCardinality(Nullable(String)),
    pricing_currency LowCardinality(Nullable(String)),
    pricing_unit LowCardinality(Nullable(String)),
    provider_name LowCardinality(Nullable(String)),
    publisher_name LowCardinality(Nullable(String)),
    region LowCardinality(Nullable(String)),
    region_id LowCardinality(Nullable(String)),
    region_name LowCardinality(Nullable(String)),
    resource_id Nullable(String),
    resource_name Nullable(String),
    resource_type LowCardinality(Nullable(String)),
    service_category LowCardinality(Nullable(String)),
    service_name LowCardinality(Nullable(String)),
    service_provider_name LowCardinality(Nullable(String)),
    service_subcategory LowCardinality(Nullable(String)),
    sku_id Nullable(String),
    sku_meter LowCardinality(Nullable(String)),
    sku_price_details Nullable(String),
    sku_price_id Nullable(String),
    sub_account_id LowCardinality(Nullable(String)),
    sub_account_name LowCardinality(Nullable(String)),
    sub_account_type LowCardinality(Nullable(String)),
    usage_unit LowCardinality(Nullable(String)),
    -- numbers
    billed_cost Nullable(Float64),
    commitment_discount_quantity Nullable(Float64),
    consumed_quantity Nullable(Float64),
    contracted_cost Nullable(Float64),
    contracted_unit_price Nullable(Float64),
    effective_cost Nullable(Float64),
    list_cost Nullable(Float64),
    list_unit_price Nullable(Float64),
    pricing_currency_contracted_unit_price Nullable(Float64),
    pricing_currency_effective_cost Nullable(Float64),
    pricing_currency_list_unit_price Nullable(Float64),
    pricing_quantity Nullable(Float64),
    usage_quantity Nullable(Float64),
    x_on_demand_cost Nullable(Float64),
    -- times (UTC)
    billing_period_end Nullable(DateTime64(6, 'UTC')),
    billing_period_start Nullable(DateTime64(6, 'UTC')),
    charge_period_end Nullable(DateTime64(6, 'UTC')),
    charge_period_start Nullable(DateTime64(6, 'UTC')),
    -- maps
    allocated_tags Map(LowCardinality(String), String),
    tags Map(LowCardinality(String), String)
)
engine = MergeTree
partition by billing_period
order by ()
comment 'FOCUS rows as delivered; an export''s billing period is replaced whole.';

-- one row per FOCUS row, in the cost shape
create table if not exists normalized_focus (
    {columns:normalized_focus}
)
engine = MergeTree
partition by x_partition
order by (x_partition, ifNull(x_usage_date, toDate32('1970-01-01')), ifNull(service_name, ''))
comment 'FOCUS files of any provider, normalised. Twin: providers/focus/normalize.py.';

-- one row per FOCUS row; figures as delivered but for the corrections that docs/focus.md names
create materialized view if not exists normalize_focus to {target:normalized_focus} as
with source as (
    select
        *,
        coalesce(
            nullIf(provider_name, ''),
            nullIf(service_provider_name, ''),
            nullIf(x_export_provider, ''),
            'unknown'
        ) as provider,
        provider in ('Google', 'Google Cloud', 'Google Cloud Platform') as is_google,
        provider in ('AWS', 'Amazon Web Services') as is_aws,
        x_form = 'FOCUS 1.0-preview' as is_preview,
        -- google-lower-case: the view of Google's writes usage, correction, standard
        is_google and not is_preview as is_lower,
        ['usage', 'purchase', 'tax', 'credit', 'adjustment'] as lower_categories,
        ['Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'] as categories,
        if(
            is_lower,
            transform(ifNull(charge_category, ''), lower_categories, categories),
            ifNull(charge_category, '')
        ) as given_category,
        ifNull(charge_subcategory, '') as subcategory,
        -- azure-1.0-preview: credits are adjustments there
        multiIf(
            is_preview and given_category = 'Adjustment' and subcategory = 'Credit', 'Credit',
            has(categories, given_category), given_category,
            'unclassified'
        ) as category,
        if(isFinite(billed_cost), billed_cost, null) as billed,
        if(isFinite(effective_cost), effective_cost, null) as effective,
        if(isFinite(list_cost), list_cost, null) as listed,
        if(
            is_preview,
            coalesce(
                if(isFinite(contracted_cost), contracted_cost, null),
                if(isFinite(x_on_demand_cost), x_on_demand_cost, null)
            ),
            if(isFinite(contracted_cost), contracted_cost, null)
        ) as contracted,
        if(
            is_preview,
            if(given_category = 'Adjustment' and subcategory = 'Refund', 'Correction', null),
            if(is_lower and charge_class = 'correction', 'Correction', nullIf(charge_class, ''))
        ) as class,
        if(billing_currency = 'USD', 1.0, null) as rate,
        {tag_entries:tags} as kept,
        kept.1 as tag_keys,
        kept.2 as tag_values,
        arrayMap(name -> lowerUTF8(name), tag_keys) as lower_keys
    from {raw:focus__cost_and_usage}
)

select
    -- copied, by pipelines/providers/focus/columns.csv
    {copied:focus/columns},
    -- when; google-billing-period
    if(
        is_google and source.billing_period_start is not null,
        toDateTime64(toStartOfMonth(source.billing_period_start, 'UTC'), 6, 'UTC'),
        source.billing_period_start
    ) as billing_period_start,
    if(
        is_google and source.billing_period_start is not null,
        toDateTime64(addMonths(toStartOfMonth(source.billing_period_start, 'UTC'), 1), 6, 'UTC'),
        source.billing_period_end
    ) as billing_period_end,
    -- who
    provider as provider_name,
    -- what
    category as charge_category,
    -- google-negative-list-cost
    if(
        is_google
        and category = 'Usage'
        and class is null
        and ifNull(listed < 0 and billed < 0, false),
        'Correction',
        class
    ) as charge_class,
    ifNull(nullIf(source.service_category, ''), 'Other') as service_category,
    if(
        is_preview,
        nullIf(replaceAll(lowerUTF8(source.region), ' ', ''), ''),
        nullIf(source.region_id, '')
    ) as region_id,
    if(is_preview, nullIf(source.region, ''), nullIf(source.region_name, '')) as region_name,
    -- how much
    if(
        is_preview,
        if(isFinite(usage_quantity), usage_quantity, null),
        if(isFinite(source.consumed_quantity), source.consumed_quantity, null)
    ) as consumed_quantity,
    if(is_preview, nullIf(usage_unit, ''), nullIf(source.consumed_unit, '')) as consumed_unit,
    if(
        is_preview,
        nullIf(
            transform(
                ifNull(source.pricing_category, ''),
                ['On-Demand', 'Commitment-Based'],
                ['Standard', 'Committed']
            ),
            ''
        ),
        if(
            is_lower,
            nullIf(
                transform(
                    ifNull(source.pricing_category, ''),
                    ['standard', 'dynamic', 'committed', 'other'],
                    ['Standard', 'Dynamic', 'Committed', 'Other']
                ),
                ''
            ),
            nullIf(source.pricing_category, '')
        )
    ) as pricing_category,
    -- google-credit-list-cost, aws-contracted-cost
    if(is_google and category = 'Credit' and listed < 0, 0.0, listed) as list_cost,
    multiIf(
        is_google and category = 'Credit' and contracted < 0, 0.0,
        is_aws and category = 'Usage' and contracted = 0 and billed > 0, null,
        contracted
    ) as contracted_cost,
    -- commitment
    if(
        is_preview,
        nullIf(
            transform(
                subcategory, ['Used Commitment', 'Unused Commitment'], ['Used', 'Unused'], ''
            ),
            ''
        ),
        nullIf(source.commitment_discount_status, '')
    ) as commitment_discount_status,
    -- tags
    mapFromArrays(tag_keys, tag_values) as tags,
    {tag_value:each} as {tag_column},
    -- ours
    toDate32(source.charge_period_start, 'UTC') as x_usage_date,
    billing_period as x_partition,
    if(category = 'Credit', billed, 0) as x_credit_amount,
    cast(map(), 'Map(LowCardinality(String), Float64)') as x_credits,
    rate as x_currency_rate_usd,
    billed / rate as x_billed_cost_usd,
    effective / rate as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;
