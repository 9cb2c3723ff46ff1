module survey

go 1.27
