//! Facts about SQL: any text has them, and the cache has the same.
#![no_main]

use libfuzzer_sys::fuzz_target;
use weir_policy::sql::{Class, FactsCache, facts};

fuzz_target!(|data: &[u8]| {
    let text = String::from_utf8_lossy(data);
    let found = facts(&text);
    assert!(!found.reason.is_empty());
    if found.reason.starts_with("unparseable") {
        assert_eq!(found.class, Class::Admin);
    }
    let mut cache = FactsCache::new();
    for _ in 0..2 {
        assert_eq!(*cache.facts(&text), found);
    }
});
