#![no_main]
libfuzzer_sys::fuzz_target!(|bytes: &[u8]| bastion_fuzz::talk::run(bytes));
