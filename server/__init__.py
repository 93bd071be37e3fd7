"""The server: builds the parts (`wiring`), holds connections (`transports`, `connection`), runs turns (`worker`)."""
