module example.com/debug-toolbox

go 1.27
