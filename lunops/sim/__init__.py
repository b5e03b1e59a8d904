"""The simulated head: ZFS, udev, configfs and saveconfig in one file, with faults that a test can set."""
