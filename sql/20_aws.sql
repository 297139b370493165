-- AWS: raw cost lines as delivered, and what is published of them. Twin: providers/aws/normalize.py
-- Rules: AWS's Cloud Intelligence Dashboards (summary_view.sql), net columns where they are set

-- one row per line item of a Cost and Usage Report or row of a FOCUS export, as AWS delivers it;
-- columns that are not named here are added as a delivery brings them
create table if not exists aws_costs__cur (
    billing_period String comment 'The partition: the month AWS bills, such as 2026-10.',
    x_fingerprint LowCardinality(String) comment 'The delivery this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When AWS wrote the delivery.',
    x_form LowCardinality(String) default if(
        billed_cost is null and charge_category is null and charge_period_start is null,
        'CUR',
        'FOCUS'
    ) comment 'CUR or FOCUS: which columns have values.',
    -- text
    line_item_line_item_type LowCardinality(Nullable(String)),
    line_item_operation LowCardinality(Nullable(String)),
    line_item_usage_type LowCardinality(Nullable(String)),
    line_item_product_code LowCardinality(Nullable(String)),
    line_item_legal_entity LowCardinality(Nullable(String)),
    line_item_line_item_description Nullable(String),
    line_item_usage_account_id LowCardinality(Nullable(String)),
    line_item_usage_account_name LowCardinality(Nullable(String)),
    line_item_availability_zone LowCardinality(Nullable(String)),
    line_item_resource_id Nullable(String),
    line_item_currency_code LowCardinality(Nullable(String)),
    bill_invoicing_entity LowCardinality(Nullable(String)),
    bill_payer_account_id LowCardinality(Nullable(String)),
    bill_payer_account_name LowCardinality(Nullable(String)),
    pricing_unit LowCardinality(Nullable(String)),
    pricing_rate_code Nullable(String),
    product_product_name LowCardinality(Nullable(String)),
    product_product_family LowCardinality(Nullable(String)),
    product_region_code LowCardinality(Nullable(String)),
    product_region LowCardinality(Nullable(String)),
    product_sku Nullable(String),
    reservation_reservation_a_r_n Nullable(String),
    savings_plan_savings_plan_a_r_n Nullable(String),
    -- numbers
    line_item_usage_amount Nullable(Float64),
    line_item_unblended_cost Nullable(Float64),
    line_item_net_unblended_cost Nullable(Float64),
    pricing_public_on_demand_cost Nullable(Float64),
    reservation_effective_cost Nullable(Float64),
    reservation_net_effective_cost Nullable(Float64),
    reservation_unused_amortized_upfront_fee_for_billing_period Nullable(Float64),
    reservation_net_unused_amortized_upfront_fee_for_billing_period Nullable(Float64),
    reservation_unused_recurring_fee Nullable(Float64),
    reservation_net_unused_recurring_fee Nullable(Float64),
    savings_plan_savings_plan_effective_cost Nullable(Float64),
    savings_plan_net_savings_plan_effective_cost Nullable(Float64),
    savings_plan_total_commitment_to_date Nullable(Float64),
    savings_plan_used_commitment Nullable(Float64),
    -- times (UTC)
    bill_billing_period_start_date Nullable(DateTime64(6, 'UTC')),
    bill_billing_period_end_date Nullable(DateTime64(6, 'UTC')),
    line_item_usage_start_date Nullable(DateTime64(6, 'UTC')),
    line_item_usage_end_date Nullable(DateTime64(6, 'UTC')),
    -- maps
    resource_tags Map(LowCardinality(String), String),
    product Map(LowCardinality(String), String),
    cost_category Map(LowCardinality(String), String),
    discount Map(LowCardinality(String), Float64),
    -- FOCUS export (pricing_unit stands above: both have it)
    provider_name LowCardinality(Nullable(String)),
    publisher_name LowCardinality(Nullable(String)),
    invoice_issuer_name LowCardinality(Nullable(String)),
    billing_account_id LowCardinality(Nullable(String)),
    billing_account_name LowCardinality(Nullable(String)),
    sub_account_id LowCardinality(Nullable(String)),
    sub_account_name LowCardinality(Nullable(String)),
    billing_period_start Nullable(DateTime64(6, 'UTC')),
    billing_period_end Nullable(DateTime64(6, 'UTC')),
    charge_period_start Nullable(DateTime64(6, 'UTC')),
    charge_period_end Nullable(DateTime64(6, 'UTC')),
    charge_category LowCardinality(Nullable(String)),
    charge_class LowCardinality(Nullable(String)),
    charge_description Nullable(String),
    charge_frequency LowCardinality(Nullable(String)),
    service_category LowCardinality(Nullable(String)),
    service_name LowCardinality(Nullable(String)),
    sku_id Nullable(String),
    sku_price_id Nullable(String),
    region_id LowCardinality(Nullable(String)),
    region_name LowCardinality(Nullable(String)),
    availability_zone LowCardinality(Nullable(String)),
    resource_id Nullable(String),
    resource_name Nullable(String),
    resource_type LowCardinality(Nullable(String)),
    consumed_quantity Nullable(Float64),
    consumed_unit LowCardinality(Nullable(String)),
    pricing_quantity Nullable(Float64),
    pricing_category LowCardinality(Nullable(String)),
    billed_cost Nullable(Float64),
    effective_cost Nullable(Float64),
    list_cost Nullable(Float64),
    contracted_cost Nullable(Float64),
    billing_currency LowCardinality(Nullable(String)),
    commitment_discount_id Nullable(String),
    commitment_discount_type LowCardinality(Nullable(String)),
    commitment_discount_category LowCardinality(Nullable(String)),
    commitment_discount_status LowCardinality(Nullable(String)),
    tags Map(LowCardinality(String), String)
)
engine = MergeTree
partition by billing_period
order by ()
comment 'AWS cost lines as delivered; a billing period is replaced whole.';

-- one row per line item, in the cost shape
create table if not exists normalized_aws (
    -- who
    provider_name LowCardinality(String) comment 'The cloud that sold the resource.',
    publisher_name LowCardinality(Nullable(String)) comment 'The company that made the product.',
    invoice_issuer_name LowCardinality(Nullable(String)) comment 'The company on the invoice.',
    billing_account_id LowCardinality(Nullable(String)) comment 'The account that pays.',
    billing_account_name LowCardinality(Nullable(String)) comment 'Its name.',
    sub_account_id LowCardinality(Nullable(String)) comment 'The account or project that used it.',
    sub_account_name LowCardinality(Nullable(String)) comment 'Its name.',
    -- when (UTC)
    billing_period_start Nullable(DateTime64(6, 'UTC')) comment 'First instant.',
    billing_period_end Nullable(DateTime64(6, 'UTC')) comment 'First instant after it.',
    charge_period_start Nullable(DateTime64(6, 'UTC')) comment 'First instant used.',
    charge_period_end Nullable(DateTime64(6, 'UTC')) comment 'First instant after it.',
    -- what
    charge_category LowCardinality(String) comment
    'Usage, Purchase, Tax, Credit, Adjustment; unclassified when the source''s word is unknown.',
    charge_class LowCardinality(Nullable(String)) comment 'Correction of an earlier period.',
    charge_description Nullable(String) comment 'The provider''s own words.',
    charge_frequency LowCardinality(Nullable(String)) comment 'One-Time, Recurring or Usage-Based.',
    service_category LowCardinality(String) comment 'FOCUS group of services.',
    service_name LowCardinality(Nullable(String)) comment 'The service.',
    sku_id Nullable(String) comment 'What is priced.',
    sku_price_id Nullable(String) comment 'The price that applied.',
    region_id LowCardinality(Nullable(String)) comment 'Region as the provider codes it.',
    region_name LowCardinality(Nullable(String)) comment 'Region in words; NULL when unknown.',
    availability_zone LowCardinality(Nullable(String)) comment 'Zone within the region.',
    resource_id Nullable(String) comment 'The resource.',
    resource_name Nullable(String) comment 'Its name: the tag Name.',
    resource_type LowCardinality(Nullable(String)) comment 'Its kind.',
    -- how much
    consumed_quantity Nullable(Float64) comment 'Amount used.',
    consumed_unit LowCardinality(Nullable(String)) comment 'Unit of it.',
    pricing_quantity Nullable(Float64) comment 'Amount priced.',
    pricing_unit LowCardinality(Nullable(String)) comment 'Unit of it.',
    pricing_category LowCardinality(Nullable(String))
        comment 'Standard, Committed or Dynamic (spot).',
    -- money, in billing_currency
    billed_cost Nullable(Float64) comment 'What the invoice says.',
    effective_cost Nullable(Float64) comment 'Commitments spread over their use.',
    list_cost Nullable(Float64) comment 'At public prices.',
    contracted_cost Nullable(Float64) comment 'At negotiated prices.',
    billing_currency LowCardinality(Nullable(String)) comment 'ISO 4217; never guessed.',
    -- commitment
    commitment_discount_id Nullable(String) comment 'Plan or reservation.',
    commitment_discount_type LowCardinality(Nullable(String))
        comment 'Savings Plan or Reserved Instance.',
    commitment_discount_category LowCardinality(Nullable(String)) comment 'Spend or Usage.',
    commitment_discount_status LowCardinality(Nullable(String)) comment 'Used or Unused.',
    -- tags
    tags Map(LowCardinality(String), String) comment 'Every tag, without the prefix user: of AWS.',
    {tag_column} LowCardinality(Nullable(String)) comment 'A configured tag, in any spelling.',
    -- ours
    x_usage_date Nullable(Date32) comment 'UTC date of charge_period_start.',
    x_source LowCardinality(String) comment 'aws, gcp, …: the source''s word.',
    x_partition String comment 'The partition that is replaced whole, such as 2026-10.',
    x_line_item_type LowCardinality(Nullable(String)) comment 'The provider''s own kind of line.',
    x_credit_amount Nullable(Float64) comment 'What credits and refunds add to billed_cost.',
    x_credits Map(LowCardinality(String), Float64)
        comment 'The same by kind of credit, where a line has several.',
    x_currency_rate_usd Nullable(Float64) comment 'Units of billing_currency for one USD.',
    x_billed_cost_usd Nullable(Float64) comment 'billed_cost in USD; NULL without a rate.',
    x_effective_cost_usd Nullable(Float64) comment 'effective_cost in USD; NULL without a rate.',
    x_fingerprint LowCardinality(String) comment 'The delivery this row came with.',
    x_dlt_load_id LowCardinality(String) comment 'The load that brought it.'
)
engine = MergeTree
partition by x_partition
order by (x_partition, ifNull(x_usage_date, toDate32('1970-01-01')), ifNull(service_name, ''))
comment 'AWS cost, normalised; a partition is replaced whole. Twin: providers/aws/normalize.py.';

-- one row per line item of a Cost and Usage Report; fires on every insert into raw, and a load runs
-- this same select over its staging table
create materialized view if not exists normalize_aws to normalized_aws as
with source as (
    select
        *,
        -- '' counts as no value in every text
        ifNull(line_item_line_item_type, '') as kind,
        nullIf(line_item_product_code, '') as product_code,
        nullIf(reservation_reservation_a_r_n, '') as reservation,
        nullIf(savings_plan_savings_plan_a_r_n, '') as savings_plan,
        nullIf(line_item_currency_code, '') as currency,
        coalesce(nullIf(product_region_code, ''), nullIf(product_region, '')) as region,
        {number:line_item_usage_amount} as amount,
        -- money: net where it has a value, else gross
        coalesce({number:line_item_net_unblended_cost}, {number:line_item_unblended_cost}) as net,
        {number:pricing_public_on_demand_cost} as public_cost,
        coalesce(
            {number:reservation_net_effective_cost}, {number:reservation_effective_cost}
        ) as reserved_cost,
        coalesce(
            {number:reservation_net_unused_amortized_upfront_fee_for_billing_period},
            {number:reservation_unused_amortized_upfront_fee_for_billing_period}
        ) as unused_upfront,
        coalesce(
            {number:reservation_net_unused_recurring_fee}, {number:reservation_unused_recurring_fee}
        ) as unused_recurring,
        coalesce(
            {number:savings_plan_net_savings_plan_effective_cost},
            {number:savings_plan_savings_plan_effective_cost}
        ) as covered_cost,
        {number:savings_plan_total_commitment_to_date} as commitment,
        {number:savings_plan_used_commitment} as used_commitment,
        kind in {aws_line_items:line_item_type} as is_known,
        -- units of the currency for one USD; NULL where no rate is known, never guessed
        if(currency = 'USD', 1.0, null) as rate,
        {tag_entries:resource_tags} as kept,
        kept.1 as tag_keys,
        kept.2 as tag_values,
        arrayMap(name -> lowerUTF8(name), tag_keys) as lower_keys
    from aws_costs__cur
    where x_form = 'CUR' and ifNull(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')
)

select
    -- who
    'AWS' as provider_name,
    nullIf(line_item_legal_entity, '') as publisher_name,
    nullIf(bill_invoicing_entity, '') as invoice_issuer_name,
    nullIf(bill_payer_account_id, '') as billing_account_id,
    nullIf(bill_payer_account_name, '') as billing_account_name,
    nullIf(line_item_usage_account_id, '') as sub_account_id,
    nullIf(line_item_usage_account_name, '') as sub_account_name,
    -- when (UTC)
    bill_billing_period_start_date as billing_period_start,
    bill_billing_period_end_date as billing_period_end,
    line_item_usage_start_date as charge_period_start,
    line_item_usage_end_date as charge_period_end,
    -- what
    transform(
        kind, {aws_line_items:line_item_type}, {aws_line_items:charge_category}, 'unclassified'
    ) as charge_category,
    cast(null as Nullable(String)) as charge_class,
    nullIf(line_item_line_item_description, '') as charge_description,
    nullIf(
        transform(kind, {aws_line_items:line_item_type}, {aws_line_items:charge_frequency}, ''), ''
    ) as charge_frequency,
    transform(
        ifNull(product_code, ''),
        {aws_services:product_code},
        {aws_services:service_category},
        'Other'
    ) as service_category,
    coalesce(
        nullIf(product['product_name'], ''), nullIf(product_product_name, ''), product_code
    ) as service_name,
    nullIf(product_sku, '') as sku_id,
    nullIf(pricing_rate_code, '') as sku_price_id,
    region as region_id,
    nullIf(
        transform(ifNull(region, ''), {aws_regions:region_id}, {aws_regions:region_name}, ''), ''
    ) as region_name,
    nullIf(line_item_availability_zone, '') as availability_zone,
    nullIf(line_item_resource_id, '') as resource_id,
    {tag_value:Name} as resource_name,
    nullIf(product_product_family, '') as resource_type,
    -- how much
    amount as consumed_quantity,
    nullIf(pricing_unit, '') as consumed_unit,
    amount as pricing_quantity,
    nullIf(pricing_unit, '') as pricing_unit,
    if(
        kind = 'Usage' and position(ifNull(line_item_usage_type, ''), 'SpotUsage') > 0,
        'Dynamic',
        nullIf(
            transform(kind, {aws_line_items:line_item_type}, {aws_line_items:pricing_category}, ''),
            ''
        )
    ) as pricing_category,
    -- money, in billing_currency
    net as billed_cost,
    multiIf(
        kind = 'DiscountedUsage', reserved_cost,
        kind = 'RIFee' and unused_upfront is null and unused_recurring is null, null,
        kind = 'RIFee', ifNull(unused_upfront, 0) + ifNull(unused_recurring, 0),
        kind = 'Fee' and reservation is not null, 0,
        kind = 'SavingsPlanCoveredUsage', covered_cost,
        kind in ('SavingsPlanNegation', 'SavingsPlanUpfrontFee'), 0,
        kind = 'SavingsPlanRecurringFee', commitment - used_commitment,
        kind = 'Refund' and product_code = 'ComputeSavingsPlans', 0,
        is_known, net,
        null
    ) as effective_cost,
    multiIf(
        kind in ('Usage', 'SavingsPlanCoveredUsage'), coalesce(public_cost, net),
        kind = 'DiscountedUsage', public_cost,
        kind in ('RIFee', 'SavingsPlanNegation'), 0,
        is_known, net,
        null
    ) as list_cost,
    multiIf(
        kind = 'DiscountedUsage', public_cost,
        kind in ('RIFee', 'SavingsPlanNegation'), 0,
        is_known, net,
        null
    ) as contracted_cost,
    currency as billing_currency,
    -- commitment
    coalesce(savings_plan, reservation) as commitment_discount_id,
    multiIf(
        savings_plan is not null, 'Savings Plan', reservation is not null, 'Reserved Instance', null
    ) as commitment_discount_type,
    multiIf(savings_plan is not null, 'Spend', reservation is not null, 'Usage', null)
        as commitment_discount_category,
    nullIf(
        transform(
            kind,
            {aws_line_items:line_item_type},
            {aws_line_items:commitment_discount_status},
            ''
        ),
        ''
    ) as commitment_discount_status,
    -- tags
    mapFromArrays(tag_keys, tag_values) as tags,
    {tag_value:each} as {tag_column},
    -- ours
    toDate32(line_item_usage_start_date, 'UTC') as x_usage_date,
    'aws' as x_source,
    billing_period as x_partition,
    nullIf(kind, '') as x_line_item_type,
    if(kind in ('Credit', 'Refund'), net, 0) as x_credit_amount,
    cast(map(), 'Map(LowCardinality(String), Float64)') as x_credits,
    rate as x_currency_rate_usd,
    net / rate as x_billed_cost_usd,
    effective_cost / rate as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;

-- one row per row of AWS's own FOCUS export; figures as delivered
create materialized view if not exists normalize_aws_focus to normalized_aws as
with source as (
    select
        *,
        nullIf(billing_currency, '') as currency,
        if(currency = 'USD', 1.0, null) as rate,
        {tag_entries:tags} as kept,
        kept.1 as tag_keys,
        kept.2 as tag_values,
        arrayMap(name -> lowerUTF8(name), tag_keys) as lower_keys
    from aws_costs__cur
    where x_form = 'FOCUS'
)

select
    -- who
    ifNull(nullIf(provider_name, ''), 'AWS') as provider_name,
    nullIf(publisher_name, '') as publisher_name,
    nullIf(invoice_issuer_name, '') as invoice_issuer_name,
    nullIf(billing_account_id, '') as billing_account_id,
    nullIf(billing_account_name, '') as billing_account_name,
    nullIf(sub_account_id, '') as sub_account_id,
    nullIf(sub_account_name, '') as sub_account_name,
    -- when (UTC)
    billing_period_start,
    billing_period_end,
    charge_period_start,
    charge_period_end,
    -- what
    if(
        ifNull(charge_category, '') in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'),
        ifNull(charge_category, ''),
        'unclassified'
    ) as charge_category,
    nullIf(charge_class, '') as charge_class,
    nullIf(charge_description, '') as charge_description,
    nullIf(charge_frequency, '') as charge_frequency,
    ifNull(nullIf(service_category, ''), 'Other') as service_category,
    nullIf(service_name, '') as service_name,
    nullIf(sku_id, '') as sku_id,
    nullIf(sku_price_id, '') as sku_price_id,
    nullIf(region_id, '') as region_id,
    nullIf(region_name, '') as region_name,
    nullIf(availability_zone, '') as availability_zone,
    nullIf(resource_id, '') as resource_id,
    nullIf(resource_name, '') as resource_name,
    nullIf(resource_type, '') as resource_type,
    -- how much
    {number:consumed_quantity} as consumed_quantity,
    nullIf(consumed_unit, '') as consumed_unit,
    {number:pricing_quantity} as pricing_quantity,
    nullIf(pricing_unit, '') as pricing_unit,
    nullIf(pricing_category, '') as pricing_category,
    -- money, in billing_currency
    {number:billed_cost} as billed_cost,
    {number:effective_cost} as effective_cost,
    {number:list_cost} as list_cost,
    {number:contracted_cost} as contracted_cost,
    currency as billing_currency,
    -- commitment
    nullIf(commitment_discount_id, '') as commitment_discount_id,
    nullIf(commitment_discount_type, '') as commitment_discount_type,
    nullIf(commitment_discount_category, '') as commitment_discount_category,
    nullIf(commitment_discount_status, '') as commitment_discount_status,
    -- tags
    mapFromArrays(tag_keys, tag_values) as tags,
    {tag_value:each} as {tag_column},
    -- ours
    toDate32(charge_period_start, 'UTC') as x_usage_date,
    'aws' as x_source,
    billing_period as x_partition,
    cast(null as Nullable(String)) as x_line_item_type,
    if(charge_category = 'Credit', billed_cost, 0) as x_credit_amount,
    cast(map(), 'Map(LowCardinality(String), Float64)') as x_credits,
    rate as x_currency_rate_usd,
    billed_cost / rate as x_billed_cost_usd,
    effective_cost / rate as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;
