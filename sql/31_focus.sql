-- the FOCUS dataset: what `python -m pipelines focus` writes as files, as a view

-- one row per charge in the columns of FOCUS 1.2; the sums are those of costs
create or replace view focus_cost_and_usage as
{focus:1.2};
