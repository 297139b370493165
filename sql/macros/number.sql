-- an amount: what is no finite number is no value
if(isFinite({argument}), {argument}, null)
