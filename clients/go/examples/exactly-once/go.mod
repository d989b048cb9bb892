module sluice.example/exactly-once

go 1.23

require (
	github.com/lib/pq v1.10.9
	sluice.example/client v0.0.0
)

replace sluice.example/client => ../..
