module sluice.example/follow

go 1.19
