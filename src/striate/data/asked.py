"""The keys of a recipe that decide which samples there are."""

# What folders, masks and layers mean.
MEANT = ("layout", "mask_map", "ignore", "masks", "channels", "depth")
READING = ("check", "max_bad", "max_pixels", "follow_links", "merge_classes", "allow_leak", *MEANT)
# An audit stops at nothing that it is to find.
AUDITED = ("max_pixels", "follow_links", "merge_classes", *MEANT)
