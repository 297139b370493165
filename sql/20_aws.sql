-- AWS: raw cost lines as delivered, and what is published of them. Twin: providers/aws/normalize.py
-- Rules: AWS's Cloud Intelligence Dashboards (summary_view.sql), net columns where they are set

-- one row per line item of a Cost and Usage Report or row of a FOCUS export, as AWS delivers it;
-- columns that are not named here are added as a delivery brings them
create table if not exists aws_costs__cur (
    billing_period String comment 'The partition: the month AWS bills; 2026-10, or 2026-10@daily.',
    x_fingerprint LowCardinality(String) comment 'Fingerprint of the row''s delivery.',
    x_dlt_load_id LowCardinality(String) comment 'dlt''s id of the load that wrote the row.',
    x_delivered_at DateTime64(6, 'UTC') comment 'When AWS wrote the delivery.',
    x_form LowCardinality(String) default if(
        billed_cost is null and charge_category is null and charge_period_start is null,
        'CUR',
        'FOCUS'
    ) comment 'CUR, CUR net (with net amounts) or FOCUS: which columns have values.',
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
    bill_billing_entity Nullable(String),
    bill_invoice_id Nullable(String),
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
    reservation_end_time LowCardinality(Nullable(String)),
    savings_plan_end_time LowCardinality(Nullable(String)),
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
    savings_plan_amortized_upfront_commitment_for_billing_period Nullable(Float64),
    savings_plan_net_amortized_upfront_commitment_for_billing_period Nullable(Float64),
    savings_plan_recurring_commitment_for_billing_period Nullable(Float64),
    savings_plan_net_recurring_commitment_for_billing_period Nullable(Float64),
    -- split cost allocation: published as costs_split
    split_line_item_parent_resource_id Nullable(String),
    split_line_item_reserved_usage Nullable(Float64),
    split_line_item_actual_usage Nullable(Float64),
    split_line_item_split_usage Nullable(Float64),
    split_line_item_split_cost Nullable(Float64),
    split_line_item_unused_cost Nullable(Float64),
    split_line_item_net_split_cost Nullable(Float64),
    split_line_item_net_unused_cost Nullable(Float64),
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
    invoice_id Nullable(String),
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
    -- tags of CUR 2.0, too, with a prefix by what was tagged
    tags Map(LowCardinality(String), String),
    x_cost_categories Map(LowCardinality(String), String),
    x_discounts Map(LowCardinality(String), Float64)
)
engine = MergeTree
partition by billing_period
order by ()
comment 'AWS cost lines as delivered; a billing period is replaced whole.';

-- one row per line item, in the cost shape
create table if not exists normalized_aws (
    {columns:normalized_aws}
)
engine = MergeTree
partition by x_partition
order by (x_partition, ifNull(x_usage_date, toDate32('1970-01-01')), ifNull(service_name, ''))
comment 'AWS cost, normalised; a partition is replaced whole. Twin: providers/aws/normalize.py.';

-- one row per line item of a Cost and Usage Report; fires on every insert into raw, and a load runs
-- this same select over its staging table
-- form: CUR
create materialized view if not exists normalize_aws to {target:normalized_aws} as
with source as (
    select
        *,
        -- '' counts as no value in every text
        ifNull(line_item_line_item_type, '') as kind,
        nullIf(line_item_product_code, '') as product_code,
        ifNull(line_item_usage_type, '') as usage_type,
        nullIf(reservation_reservation_a_r_n, '') as reservation,
        nullIf(savings_plan_savings_plan_a_r_n, '') as savings_plan,
        nullIf(line_item_currency_code, '') as currency,
        coalesce(nullIf(product_region_code, ''), nullIf(product_region, '')) as region,
        -- money: net where it has a value, else gross; of a discount 0, where other lines are net
        if(
            x_form = 'CUR net' and kind like '%Discount',
            coalesce({number:line_item_net_unblended_cost}, 0),
            coalesce({number:line_item_net_unblended_cost}, {number:line_item_unblended_cost})
        ) as net,
        -- the other amounts of lookups/aws_line_items.csv
        coalesce({number:line_item_unblended_cost}, net) as gross,
        {number:pricing_public_on_demand_cost} as public,
        coalesce(
            {number:reservation_net_effective_cost}, {number:reservation_effective_cost}
        ) as reserved,
        coalesce(
            {number:savings_plan_net_savings_plan_effective_cost},
            {number:savings_plan_savings_plan_effective_cost}
        ) as covered,
        coalesce(
            {number:reservation_net_unused_amortized_upfront_fee_for_billing_period},
            {number:reservation_unused_amortized_upfront_fee_for_billing_period}
        ) as unused_upfront,
        coalesce(
            {number:reservation_net_unused_recurring_fee}, {number:reservation_unused_recurring_fee}
        ) as unused_recurring,
        if(
            unused_upfront is null and unused_recurring is null,
            null,
            ifNull(unused_upfront, 0) + ifNull(unused_recurring, 0)
        ) as unused_reservation,
        -- what nobody used of a plan, at the discount that its fee has
        {number:savings_plan_amortized_upfront_commitment_for_billing_period} as plan_upfront,
        {number:savings_plan_recurring_commitment_for_billing_period} as plan_recurring,
        {number:savings_plan_net_amortized_upfront_commitment_for_billing_period}
            as net_plan_upfront,
        {number:savings_plan_net_recurring_commitment_for_billing_period} as net_plan_recurring,
        ifNull(plan_upfront, 0) + ifNull(plan_recurring, 0) as plan_fee,
        if(
            net_plan_upfront is null and net_plan_recurring is null,
            null,
            coalesce(net_plan_upfront, plan_upfront, 0)
            + coalesce(net_plan_recurring, plan_recurring, 0)
        ) as net_plan_fee,
        {number:line_item_unblended_cost} as unblended,
        {number:line_item_net_unblended_cost} as net_unblended,
        multiIf(
            plan_fee > 0 and net_plan_fee between 0 and plan_fee,
            net_plan_fee / plan_fee,
            unblended > 0 and net_unblended between 0 and unblended,
            net_unblended / unblended,
            1
        ) as plan_share,
        (
            {number:savings_plan_total_commitment_to_date} - {number:savings_plan_used_commitment}
        ) * plan_share as unused_commitment,
        if(reservation is not null, 0, net) as net_unless_reserved,
        -- a refund of what a plan or reservation was paid ahead: its description decides
        ifNull(line_item_line_item_description, '') as description,
        (
            reservation is not null
            or savings_plan is not null
            or match(ifNull(product_code, ''), '(?i)savings ?plan|reserv')
            or match(description, '(?i)savings ?plan|reserv')
        )
        and (
            reservation is not null
            or match(
                description, '(?i)one[- ]?time|up-?front (fee|payment)|all up-?front|purchase'
            )
        )
        and not match(
            description,
            '(?i)discount|\\b(edp|spp|ppa)\\b|private pric|usage|recurring|hourly|monthly'
        ) as is_purchase_returned,
        if(is_purchase_returned, 0, net) as net_unless_purchase,
        -- units of the currency for one USD; NULL where no rate is known, never guessed
        if(currency = 'USD', 1.0, null) as rate,
        -- tags of a resource: resource_tags, and in CUR 2.0's tags those of no account or category
        if(
            empty(tags),
            resource_tags,
            cast(
                mapConcat(
                    resource_tags,
                    mapApply(
                        (name, value) -> (
                            if(startsWith(name, 'resourceTags/'), substring(name, 14), name), value
                        ),
                        mapFilter(
                            (name, value) -> not startsWith(name, 'accountTag/')
                                and not startsWith(name, 'costCategory/'),
                            tags
                        )
                    )
                ),
                'Map(LowCardinality(String), String)'
            )
        ) as own_tags,
        mapApply(
            (name, value) -> (substring(name, 14), value),
            mapFilter((name, value) -> startsWith(name, 'costCategory/'), tags)
        ) as other_categories,
        {tag_entries:own_tags} as kept,
        kept.1 as tag_keys,
        kept.2 as tag_values,
        arrayMap(name -> lowerUTF8(name), tag_keys) as lower_keys
    from {raw:aws_costs__cur}
    where
        x_form in ('CUR', 'CUR net')
        and ifNull(line_item_operation, '') not in ('EKSPod-EC2', 'ECSTask-EC2')
)

select
    -- copied, by pipelines/providers/aws/columns.csv
    {copied:aws/columns},
    -- what
    coalesce(
        nullIf(product['product_name'], ''), nullIf(product_product_name, ''), product_code
    ) as service_name,
    region as region_id,
    nullIf(
        transform(ifNull(region, ''), {aws_regions:region_id}, {aws_regions:region_name}, ''), ''
    ) as region_name,
    -- how much
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
    {cost_of_line:effective} as effective_cost,
    {cost_of_line:list} as list_cost,
    {cost_of_line:contracted} as contracted_cost,
    -- commitment
    coalesce(savings_plan, reservation) as commitment_discount_id,
    multiIf(
        savings_plan is not null, 'Savings Plan', reservation is not null, 'Reserved Instance', null
    ) as commitment_discount_type,
    multiIf(savings_plan is not null, 'Spend', reservation is not null, 'Usage', null)
        as commitment_discount_category,
    -- tags
    mapFromArrays(tag_keys, tag_values) as tags,
    {tag_value:each} as {tag_column},
    -- ours
    cast(
        mapConcat(
            cost_category,
            mapFilter((name, value) -> not mapContains(cost_category, name), other_categories)
        ),
        'Map(LowCardinality(String), String)'
    ) as x_cost_categories,
    cast(
        mapApply(
            (name, value) -> (substring(name, 12), value),
            mapFilter((name, value) -> startsWith(name, 'accountTag/'), source.tags)
        ),
        'Map(LowCardinality(String), String)'
    ) as x_account_tags,
    if(
        kind in ('Usage', 'DiscountedUsage', 'SavingsPlanCoveredUsage'),
        {commitment_family:aws},
        null
    ) as x_commitment_family,
    multiIf(
        savings_plan is not null,
        {time_of_text:savings_plan_end_time},
        reservation is not null,
        {time_of_text:reservation_end_time},
        null
    ) as x_commitment_end,
    toDate32(line_item_usage_start_date, 'UTC') as x_usage_date,
    billing_period as x_partition,
    if(kind in ('Credit', 'Refund'), net, 0) as x_credit_amount,
    cast(map(), 'Map(LowCardinality(String), Float64)') as x_credits,
    rate as x_currency_rate_usd,
    net / rate as x_billed_cost_usd,
    effective_cost / rate as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;

-- one row per row of AWS's own FOCUS export; figures as delivered
-- form: FOCUS
create materialized view if not exists normalize_aws_focus to {target:normalized_aws} as
with source as (
    select
        *,
        nullIf(billing_currency, '') as currency,
        if(currency = 'USD', 1.0, null) as rate,
        {tag_entries:tags} as kept,
        kept.1 as tag_keys,
        kept.2 as tag_values,
        arrayMap(name -> lowerUTF8(name), tag_keys) as lower_keys
    from {raw:aws_costs__cur}
    where x_form = 'FOCUS'
)

select
    -- copied, by pipelines/providers/aws/columns_focus.csv
    {copied:aws/columns_focus},
    -- who
    ifNull(nullIf(provider_name, ''), 'AWS') as provider_name,
    -- what
    if(
        ifNull(charge_category, '') in ('Usage', 'Purchase', 'Tax', 'Credit', 'Adjustment'),
        ifNull(charge_category, ''),
        'unclassified'
    ) as charge_category,
    ifNull(nullIf(service_category, ''), 'Other') as service_category,
    -- tags
    mapFromArrays(tag_keys, tag_values) as tags,
    {tag_value:each} as {tag_column},
    -- ours
    source.x_cost_categories as x_cost_categories,
    toDate32(charge_period_start, 'UTC') as x_usage_date,
    billing_period as x_partition,
    if(charge_category = 'Credit', billed_cost, 0) as x_credit_amount,
    cast(map(), 'Map(LowCardinality(String), Float64)') as x_credits,
    rate as x_currency_rate_usd,
    billed_cost / rate as x_billed_cost_usd,
    effective_cost / rate as x_effective_cost_usd,
    x_fingerprint,
    x_dlt_load_id
from source;

-- one row per service and record type of a month: what Cost Explorer says
create table if not exists aws_costs__cost_explorer (
    {columns:aws_costs__cost_explorer}
)
engine = MergeTree
partition by month
order by ()
comment 'Months of AWS as Cost Explorer has them, for the mart reconciliation.';

-- one row per invoice of a month
create table if not exists aws_costs__invoices (
    {columns:aws_costs__invoices}
)
engine = MergeTree
partition by month
order by ()
comment 'Invoices of AWS without their lines, for the mart reconciliation.';
