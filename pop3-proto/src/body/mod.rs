//! Message bodies on the wire: byte-stuffing, line ends, the cut of `TOP`, and the size `LIST` tells.
