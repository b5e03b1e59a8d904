"""The promises of lunops, kept on real storage heads: real ZFS, the kernel's target, real initiators."""
