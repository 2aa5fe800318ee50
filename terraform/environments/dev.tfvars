environment = "dev"

# Yours: docs/first-deployment.md
project_id                 = ""
github_repository_owner_id = ""
github_repository_id       = ""
billing_account            = null # an id such as "012345-6789AB-CDEF01", to get a budget with alerts
promotes_to                = null # the project of main, once it is applied: main runs the images tested here

monthly_budget = 200 # in the currency of the billing account

region           = "us-central1"
cluster_location = "us-central1-a"

node_range     = "10.21.0.0/22"
pod_range      = "10.22.0.0/16"
service_range  = "10.24.0.0/20"
database_range = "10.20.0.0/24"

node_machine_type = "e2-standard-2"
node_count        = { min = 1, max = 3 }

database_tier              = "db-g1-small"
database_availability_type = "ZONAL"
database_disk_limit        = 50 # GB
database_max_connections   = 100
