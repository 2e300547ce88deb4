"""What people who run Redis under Sentinel meet, each played on real servers and held against the right verdict."""
