//! Frames to bytes and back: the only user of bincode for the tunnel.

use super::Frame;
use bytes::{Buf, BufMut, Bytes, BytesMut};

/// Largest payload of a frame, in bytes.
pub const MAX_PAYLOAD: usize = 64 * 1024;
const HEADER: usize = 5;

/// Bytes that are not frames.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum WireError {
    /// Longer than [`MAX_PAYLOAD`].
    #[error("a frame of {0} bytes, at most {MAX_PAYLOAD} are allowed")]
    TooLong(usize),
    /// A required frame that this build does not know.
    #[error("frame number {0} is not known to this version: upgrade weir or the relay")]
    Unknown(u8),
    /// The payload does not decode, or leaves bytes over.
    #[error("frame {0} is malformed")]
    Malformed(u8),
}

fn config() -> impl bincode::config::Config {
    // The limit makes a hostile length an error instead of an allocation.
    bincode::config::standard().with_limit::<MAX_PAYLOAD>()
}

/// The frame as bytes.
///
/// # Errors
/// [`WireError::TooLong`] when its payload exceeds [`MAX_PAYLOAD`].
pub fn encode(frame: &Frame) -> Result<Bytes, WireError> {
    let payload = bincode::serde::encode_to_vec(frame, config()).map_err(|_| WireError::TooLong(MAX_PAYLOAD + 1))?;
    let length = u32::try_from(payload.len()).map_err(|_| WireError::TooLong(payload.len()))?;
    let mut out = BytesMut::with_capacity(HEADER + payload.len());
    out.put_u8(frame.number());
    out.put_u32(length);
    out.put_slice(&payload);
    Ok(out.freeze())
}

/// Takes the next frame off `input`; none when more bytes are needed. Unknown optional frames are skipped.
///
/// # Errors
/// The stream cannot be read further.
pub fn decode(input: &mut BytesMut) -> Result<Option<Frame>, WireError> {
    loop {
        let (Some(&number), Some(length)) = (input.first(), input.get(1..HEADER)) else { return Ok(None) };
        let length = length.iter().fold(0_usize, |sum, byte| sum << 8 | usize::from(*byte));
        if length > MAX_PAYLOAD {
            return Err(WireError::TooLong(length));
        }
        if input.len() < HEADER + length {
            return Ok(None);
        }
        input.advance(HEADER);
        let payload = input.split_to(length);
        match number {
            1..=6 | 128 => {}
            128.. => continue,
            _ => return Err(WireError::Unknown(number)),
        }
        let malformed = WireError::Malformed(number);
        return match bincode::serde::decode_from_slice::<Frame, _>(&payload, config()) {
            Ok((frame, used)) if used == length && frame.number() == number => Ok(Some(frame)),
            _ => Err(malformed),
        };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn golden_bytes_of_version_1() {
        let hello = Frame::Hello { oldest: 1, newest: 1, software: "weir".into() };
        assert_eq!(&encode(&hello).unwrap()[..], b"\x01\0\0\0\x08\x00\x01\x01\x04weir");
        let drain = Frame::Drain { deadline_seconds: 30 };
        assert_eq!(&encode(&drain).unwrap()[..], b"\x06\0\0\0\x02\x05\x1e");
    }

    #[test]
    fn optional_frames_are_skipped_and_required_ones_refused() {
        let mut input = BytesMut::from(&b"\xc8\0\0\0\x01x"[..]);
        input.extend_from_slice(&encode(&Frame::Drain { deadline_seconds: 1 }).unwrap());
        assert_eq!(decode(&mut input), Ok(Some(Frame::Drain { deadline_seconds: 1 })));
        assert_eq!(decode(&mut BytesMut::from(&b"\x63\0\0\0\0"[..])), Err(WireError::Unknown(0x63)));
    }

    #[test]
    fn a_hostile_length_is_an_error() {
        let mut input = BytesMut::from(&b"\x01\xff\xff\xff\xff"[..]);
        assert!(matches!(decode(&mut input), Err(WireError::TooLong(_))));
        let mut inner = BytesMut::from(&b"\x01\0\0\0\x0b\x00\x01\x01\xfd\xff\xff\xff\xff\xff\xff\xff\x7f"[..]);
        assert_eq!(decode(&mut inner), Err(WireError::Malformed(1)));
    }

    proptest! {
        #[test]
        fn any_bytes_decode_or_fail_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut input = BytesMut::from(&bytes[..]);
            while let Ok(Some(_)) = decode(&mut input) {}
        }

        #[test]
        fn frames_round_trip_at_every_cut(text in ".{0,40}", cut in 0_usize..60) {
            let frame = Frame::Notice { session: None, text };
            let bytes = encode(&frame).unwrap();
            let cut = cut.min(bytes.len());
            let mut input = BytesMut::from(&bytes[..cut]);
            if cut < bytes.len() {
                prop_assert_eq!(decode(&mut input), Ok(None));
                input.extend_from_slice(&bytes[cut..]);
            }
            prop_assert_eq!(decode(&mut input), Ok(Some(frame)));
        }
    }
}
