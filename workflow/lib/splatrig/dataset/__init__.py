"""The data set of one subject: cameras, poses, frames and photographs, written by capture and read elsewhere."""
