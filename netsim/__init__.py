"""How p2player behaves in a cluster, shown with its real code."""
