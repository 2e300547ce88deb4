"""A real Kubernetes: one that kind makes, or any kubeconfig."""
