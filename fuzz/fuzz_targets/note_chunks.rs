#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| picoclaw_fuzz::feed("note_chunks", data));
