//! The tunnel's frames: any bytes decode or fail, and what decodes encodes and decodes to the same frame.
#![no_main]

use bytes::BytesMut;
use libfuzzer_sys::fuzz_target;
use weir_shared::wire::codec::{decode, encode};

fuzz_target!(|data: &[u8]| {
    let mut input = BytesMut::from(data);
    while let Ok(Some(frame)) = decode(&mut input) {
        let Ok(bytes) = encode(&frame) else { continue };
        let again = decode(&mut BytesMut::from(&bytes[..]));
        assert_eq!(again, Ok(Some(frame)));
    }
});
