"""What a pull request would change: both commits rendered, compared, and told in words first."""
