-- one row per plan or reservation, of the rows of Cost and Usage in charges
select
    min("BillingCurrency") as "BillingCurrency",
    min("CommitmentDiscountCategory") as "ContractCommitmentCategory",
    case
        when sum(case when "ChargeCategory" = 'Purchase' then 1 else 0 end) > 0
            then sum(case when "ChargeCategory" = 'Purchase' then "BilledCost" else 0 end)
        else sum("EffectiveCost")
    end as "ContractCommitmentCost",
    min(case when "ChargeCategory" = 'Purchase' then "ChargeDescription" end)
        as "ContractCommitmentDescription",
    "CommitmentDiscountId" as "ContractCommitmentId",
    coalesce(max("x_CommitmentEnd"), max("ChargePeriodEnd")) as "ContractCommitmentPeriodEnd",
    min("ChargePeriodStart") as "ContractCommitmentPeriodStart",
    case
        when min("CommitmentDiscountCategory") = 'Spend' then null
        when sum(case when "ChargeCategory" = 'Purchase' then 1 else 0 end) > 0
            then sum(
                case when "ChargeCategory" = 'Purchase' then "CommitmentDiscountQuantity" else 0 end
            )
        else sum("CommitmentDiscountQuantity")
    end as "ContractCommitmentQuantity",
    min("CommitmentDiscountType") as "ContractCommitmentType",
    case
        when min("CommitmentDiscountCategory") <> 'Spend' then min("CommitmentDiscountUnit")
    end as "ContractCommitmentUnit",
    "CommitmentDiscountId" as "ContractId",
    coalesce(max("x_CommitmentEnd"), max("ChargePeriodEnd")) as "ContractPeriodEnd",
    min("ChargePeriodStart") as "ContractPeriodStart",
    min("ProviderName") as "x_ProviderName",
    "x_Source"
from charges
where "CommitmentDiscountId" is not null
group by "CommitmentDiscountId", "x_Source"
order by "x_Source", "CommitmentDiscountId"
