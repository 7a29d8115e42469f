//! Turns decisions and proposals into what people read.
