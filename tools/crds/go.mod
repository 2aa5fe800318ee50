// Modules that are read for the CustomResourceDefinitions in them and never compiled, so `go mod tidy` would drop them.
module taskpulse/tools/crds

go 1.26.0

require sigs.k8s.io/gateway-api v1.6.3
