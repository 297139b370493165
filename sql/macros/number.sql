-- an amount: NULL unless the number is finite
if(isFinite({argument}), {argument}, null)
