"""One file a kind of fault, target selection, proof."""
