"""The data set of one subject: cameras, poses, frames and photographs. Captures write it, everyone reads it."""
