-- one row per charge, as the FOCUS specification wants it, of the cost lines of costs
-- A purchase has no effective cost: that is a second row, of usage, for the part of a commitment
-- that was not used, or for the use of what was bought. What a savings plan covers has no billed
-- cost, without AWS's negations, where the two add up to nothing. Sums of billed and effective cost
-- stay. From 1.3 on a charge of an instance is split among its pods. A name keeps letters beyond
-- ASCII in x_Originals. Rendered for DuckDB and ClickHouse by pipelines/clickhouse/focus.py
with commitments as (
    select
        x_source as of_source,
        x_partition as of_partition,
        commitment_discount_id as of_id,
        sum(
            case
                when commitment_discount_status = 'Used' and charge_category = 'Usage'
                    then effective_cost
                else 0
            end
        ) as used_cost,
        sum(
            case
                when commitment_discount_status = 'Unused' then effective_cost
                else 0
            end
        ) as unused_cost,
        sum(
            case
                when x_line_item_type in ('SavingsPlanCoveredUsage', 'SavingsPlanNegation')
                    then billed_cost
                else 0
            end
        ) as plan_billed,
        sum(case when x_line_item_type = 'SavingsPlanNegation' then 1 else 0 end) as negations
    from costs
    where commitment_discount_id is not null
    group by x_source, x_partition, commitment_discount_id
),

parts as (
    select 0 as part
    union all
    select 1 as part
),

{splits}

-- each line, and a second time what was effective of a purchase
charges as (
    select
        cost_lines.*,
        parts.part as part,
        case
            when parts.part = 1 then 'Usage'
            else cost_lines.charge_category
        end as category,
        -- a line that is priced needs a quantity that its costs are a multiple of
        case
            when cost_lines.charge_category = 'Tax' then null
            when cost_lines.charge_category not in ('Usage', 'Purchase')
                then
                    case
                        when cost_lines.pricing_unit is not null then cost_lines.pricing_quantity
                    end
            when
                cost_lines.pricing_quantity is null
                or (
                    cost_lines.pricing_quantity = 0
                    and (
                        coalesce(cost_lines.list_cost, 0) <> 0
                        or coalesce(cost_lines.contracted_cost, 0) <> 0
                    )
                )
                then
                    case
                        when
                            coalesce(cost_lines.list_cost, 0) < 0
                            or (
                                coalesce(cost_lines.list_cost, 0) = 0
                                and coalesce(cost_lines.contracted_cost, 0) < 0
                            )
                            then -1.0
                        else 1.0
                    end
            -- prices are never negative: the quantity is
            when
                coalesce(cost_lines.list_cost, 0) * cost_lines.pricing_quantity < 0
                or (
                    coalesce(cost_lines.list_cost, 0) = 0
                    and coalesce(cost_lines.contracted_cost, 0) * cost_lines.pricing_quantity < 0
                )
                then -cost_lines.pricing_quantity
            else cost_lines.pricing_quantity
        end as whole_quantity,
        case
            when
                coalesce(commitments.used_cost, 0) + coalesce(commitments.unused_cost, 0) <> 0
                then
                    -- as many digits as sums have that do not depend on the order of lines
                    round(
                        coalesce(commitments.unused_cost, 0)
                        / (commitments.used_cost + commitments.unused_cost),
                        12
                    )
            else 1.0
        end as unused_share,
        case
            when coalesce(commitments.negations, 0) > 0 and abs(commitments.plan_billed) <= 1e-6
                then 1
            else 0
        end as is_netted,
        {split_columns}
    from costs as cost_lines
    cross join parts
    {split_join}
    left join commitments
        on cost_lines.x_source = commitments.of_source
        and cost_lines.x_partition = commitments.of_partition
        and cost_lines.commitment_discount_id = commitments.of_id
    where parts.part = 0
        or (cost_lines.charge_category = 'Purchase' and cost_lines.effective_cost <> 0)
),

derived as (
    select
        charges.*,
        case when category = 'Usage' or category = 'Purchase' then 1 else 0 end as is_priced,
        coalesce(service_name, provider_name) as service,
        case
            when commitment_discount_id is null then null
            when part = 1 then coalesce(commitment_discount_status, 'Used')
            when category = 'Usage' then coalesce(commitment_discount_status, 'Used')
        end as commitment_status,
        case
            when
                part = 1
                and commitment_discount_category = 'Usage'
                and commitment_discount_status = 'Unused'
                then whole_quantity * unused_share
            else whole_quantity * ratio
        end as quantity,
        coalesce({unit:pricing_unit}, 'Unit') as unit,
        case when part = 1 then 0.0 else list_cost * ratio end as list_of_part,
        case when part = 1 then 0.0 else contracted_cost * ratio end as contracted_of_part,
        case
            when part = 1 then 0.0
            when x_line_item_type = 'SavingsPlanCoveredUsage' and is_netted = 1 then 0.0
            else billed_cost * ratio
        end as billed_of_part,
        case
            when charge_category = 'Purchase' and part = 0
                then case when effective_cost is not null then 0.0 end
            else effective_cost * ratio
        end as effective_of_part,
        case
            when commitment_discount_id is not null and (part = 1 or category = 'Purchase')
                then commitment_discount_id
            else resource_id
        end as resource,
        case
            when commitment_discount_id is not null and (part = 1 or category = 'Purchase') then 1
            else 0
        end as is_commitment,
        date_trunc('hour', coalesce(charge_period_start, billing_period_start)) as charge_start,
        case
            when date_trunc('hour', charge_period_end) = charge_period_end then charge_period_end
            else date_trunc('hour', charge_period_end) + interval 1 hour
        end as charge_end,
        {seller:invoice_issuer_name} as issuer,
        {seller:publisher_name} as service_provider,
        case
            when x_source = 'aws' then coalesce(resource_type, service_name)
            when x_source = 'clickhouse_cloud' then sku_id
            else coalesce(charge_description, service_name)
        end as meter
    from charges
    where not (coalesce(x_line_item_type, '') = 'SavingsPlanNegation' and is_netted = 1)
),

named as (
    select
        derived.*,
        case
            when charge_category = 'Tax' then null
            when is_priced = 1 then coalesce(sku_id, sku_price_id, service)
            else sku_id
        end as sku,
        coalesce(billing_account_name, billing_account_id) as billing_account,
        case when sub_account_id is not null then coalesce(sub_account_name, sub_account_id) end
            as sub_account,
        case when region_id is not null then coalesce(region_name, region_id) end as region,
        case
            when is_commitment = 1 then null
            when resource_id is not null then nullif(resource_name, resource_id)
        end as resource_label,
        case
            when resource is null then null
            when is_commitment = 1 then coalesce(commitment_discount_type, service)
            else coalesce(resource_type, service)
        end as type_of_resource,
        coalesce(publisher_name, provider_name) as publisher,
        case
            when commitment_discount_id is null or is_priced = 0 then null
            when coalesce(commitment_discount_category, '') <> 'Spend' then quantity
            when category = 'Purchase' then billed_cost
            else effective_of_part
        end as committed,
        case when commitment_discount_category = 'Spend' then billing_currency else unit end
            as committed_unit,
        case
            when category = 'Usage' and coalesce(commitment_status, '') <> 'Unused'
                then
                    case
                        when part = 0 then coalesce(consumed_quantity * ratio, quantity)
                        else quantity
                    end
        end as consumed,
        case
            when charge_class is not null then charge_class
            when charge_category = 'Adjustment' and charge_period_start < billing_period_start
                then 'Correction'
        end as class
    from derived
)

select
    split_details as "AllocatedMethodDetails",
    split_method as "AllocatedMethodId",
    split_resource as "AllocatedResourceId",
    split_name as "AllocatedResourceName",
    split_tags as "AllocatedTags",
    availability_zone as "AvailabilityZone",
    billed_of_part as "BilledCost",
    billing_account_id as "BillingAccountId",
    {ascii:billing_account} as "BillingAccountName",
    case when billing_account_id is not null then {billing_account_type} end
        as "BillingAccountType",
    billing_currency as "BillingCurrency",
    billing_period_end as "BillingPeriodEnd",
    billing_period_start as "BillingPeriodStart",
    case when resource_id like '%:capacity-reservation/%' then resource_id end
        as "CapacityReservationId",
    case
        when resource_id like '%:capacity-reservation/%' and category = 'Usage'
            then case
                when lower(coalesce(charge_description, '')) like '%unused%' then 'Unused'
                else 'Used'
            end
    end as "CapacityReservationStatus",
    category as "ChargeCategory",
    class as "ChargeClass",
    {ascii:charge_description} as "ChargeDescription",
    case
        when part = 1 then 'Usage-Based'
        when category = 'Purchase' and coalesce(charge_frequency, 'Usage-Based') = 'Usage-Based'
            then 'One-Time'
        when charge_frequency is not null then charge_frequency
        when category = 'Usage' then 'Usage-Based'
        else 'One-Time'
    end as "ChargeFrequency",
    case
        when charge_end > charge_start then charge_end
        else charge_start + interval 1 hour
    end as "ChargePeriodEnd",
    charge_start as "ChargePeriodStart",
    case when commitment_discount_id is not null then commitment_discount_category end
        as "CommitmentDiscountCategory",
    commitment_discount_id as "CommitmentDiscountId",
    cast(null as {text}) as "CommitmentDiscountName",
    committed as "CommitmentDiscountQuantity",
    commitment_status as "CommitmentDiscountStatus",
    case when commitment_discount_id is not null then commitment_discount_type end
        as "CommitmentDiscountType",
    case when committed is not null then committed_unit end as "CommitmentDiscountUnit",
    consumed as "ConsumedQuantity",
    case
        when consumed is null then null
        when part = 0 and consumed_quantity is not null then coalesce({unit:consumed_unit}, unit)
        else unit
    end as "ConsumedUnit",
    {contract} as "ContractApplied",
    contracted_of_part as "ContractedCost",
    case
        when is_priced = 0 then null
        when quantity = 0 then case when contracted_of_part = 0 then 0.0 end
        else contracted_of_part / quantity
    end as "ContractedUnitPrice",
    effective_of_part as "EffectiveCost",
    {ascii:service_provider} as "HostProviderName",
    invoice_id as "InvoiceId",
    {ascii:issuer} as "InvoiceIssuerName",
    list_of_part as "ListCost",
    case
        when is_priced = 0 then null
        when quantity = 0 then case when list_of_part = 0 then 0.0 end
        else list_of_part / quantity
    end as "ListUnitPrice",
    case
        when charge_category = 'Tax' then null
        when part = 1
            then case when commitment_discount_id is not null then 'Committed' else 'Standard' end
        when is_priced = 1 then coalesce(pricing_category, 'Standard')
        else pricing_category
    end as "PricingCategory",
    case when pricing_unit = 'CHC' then 'CHC' else billing_currency end as "PricingCurrency",
    case
        when is_priced = 0 then null
        when quantity = 0 then case when contracted_of_part = 0 then 0.0 end
        else contracted_of_part / quantity
    end as "PricingCurrencyContractedUnitPrice",
    effective_of_part as "PricingCurrencyEffectiveCost",
    case
        when is_priced = 0 then null
        when quantity = 0 then case when list_of_part = 0 then 0.0 end
        else list_of_part / quantity
    end as "PricingCurrencyListUnitPrice",
    quantity as "PricingQuantity",
    case when quantity is not null then unit end as "PricingUnit",
    provider_name as "ProviderName",
    {ascii:publisher} as "PublisherName",
    region_id as "RegionId",
    {ascii:region} as "RegionName",
    resource as "ResourceId",
    {ascii:resource_label} as "ResourceName",
    {ascii:type_of_resource} as "ResourceType",
    service_category as "ServiceCategory",
    {ascii:service} as "ServiceName",
    {ascii:service_provider} as "ServiceProviderName",
    {subcategory} as "ServiceSubcategory",
    sku as "SkuId",
    case when sku is not null then {ascii:meter} end as "SkuMeter",
    cast(null as {text}) as "SkuPriceDetails",
    case
        when charge_category = 'Tax' then null
        when is_priced = 1 then coalesce(sku_price_id, sku)
        else sku_price_id
    end as "SkuPriceId",
    sub_account_id as "SubAccountId",
    {ascii:sub_account} as "SubAccountName",
    case when sub_account_id is not null then {sub_account_type} end as "SubAccountType",
    {json:tags} as "Tags",
    {json:x_account_tags} as "x_AccountTags",
    x_billing_entity as "x_BillingEntity",
    commitment_discount_type as "x_CommitmentDiscountType",
    x_commitment_end as "x_CommitmentEnd",
    {json:x_cost_categories} as "x_CostCategories",
    case when part = 0 then x_credit_amount * ratio else 0.0 end as "x_CreditAmount",
    {amounts:x_credits} as "x_Credits",
    case when issuer <> invoice_issuer_name then invoice_issuer_name end as "x_InvoicingEntity",
    x_line_item_type as "x_LineItemType",
    {originals} as "x_Originals",
    x_partition as "x_Partition",
    x_source as "x_Source"
from named
