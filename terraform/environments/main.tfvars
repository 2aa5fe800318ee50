environment = "main"

# Yours: docs/first-deployment.md
project_id                 = ""
github_repository_owner_id = ""
github_repository_id       = ""
billing_account            = null # an id such as "012345-6789AB-CDEF01", to get a budget with alerts
promotes_from              = ""   # the project of dev, whose tested images main runs
api_hostname               = "taskpulse.example.com"

monthly_budget = 900 # in the currency of the billing account

region           = "us-central1"
cluster_location = "us-central1"

node_range     = "10.31.0.0/22"
pod_range      = "10.32.0.0/16"
service_range  = "10.34.0.0/20"
database_range = "10.30.0.0/24"

node_machine_type = "e2-standard-2"
node_count        = { min = 3, max = 6 }

database_tier              = "db-custom-2-7680"
database_availability_type = "REGIONAL"
database_disk_limit        = 200 # GB
database_max_connections   = 200
