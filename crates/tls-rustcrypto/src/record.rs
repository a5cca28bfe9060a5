//! Record protection (RFC 8446 §5.2): AES-128-GCM and ChaCha20-Poly1305 in place.

use aes_gcm::aead::inout::InOutBuf;
use aes_gcm::aead::{AeadInOut, KeyInit, KeySizeUser, Nonce as AeadNonce, Tag as AeadTag};
use alloc::boxed::Box;
use core::marker::PhantomData;
use rustls::crypto::cipher::{
    AeadKey, InboundOpaqueMessage, InboundPlainMessage, Iv, MessageDecrypter, MessageEncrypter, Nonce,
    OutboundOpaqueMessage, OutboundPlainMessage, PrefixedPayload, Tls13AeadAlgorithm,
    UnsupportedOperationError, make_tls13_aad,
};
use rustls::{ConnectionTrafficSecrets, ContentType, Error, ProtocolVersion};

/// Bytes that follow the ciphertext of both.
const TAG: usize = 16;

/// An AEAD that makes records.
pub(crate) struct Records<A>(pub(crate) PhantomData<fn() -> A>);

impl<A> Records<A> {
    pub(crate) const NEW: Self = Self(PhantomData);
}

impl<A: AeadInOut + KeyInit + Send + Sync + 'static> Records<A> {
    fn protection(key: &AeadKey, iv: Iv) -> Box<Protection<A>> {
        // rustls derives as many bytes as `key_len` says.
        let aead =
            A::new_from_slice(key.as_ref()).unwrap_or_else(|_| unreachable!("a key of the stated length"));
        Box::new(Protection { aead, iv })
    }
}

impl<A: AeadInOut + KeyInit + Send + Sync + 'static> Tls13AeadAlgorithm for Records<A> {
    fn encrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageEncrypter> {
        Self::protection(&key, iv)
    }

    fn decrypter(&self, key: AeadKey, iv: Iv) -> Box<dyn MessageDecrypter> {
        Self::protection(&key, iv)
    }

    fn key_len(&self) -> usize {
        <A as KeySizeUser>::key_size()
    }

    fn extract_keys(&self, _: AeadKey, _: Iv) -> Result<ConnectionTrafficSecrets, UnsupportedOperationError> {
        Err(UnsupportedOperationError)
    }
}

/// One direction of a connection, between two changes of its key.
pub(crate) struct Protection<A> {
    pub(crate) aead: A,
    pub(crate) iv: Iv,
}

impl<A: AeadInOut + Send + Sync> MessageEncrypter for Protection<A> {
    fn encrypt(
        &mut self,
        message: OutboundPlainMessage<'_>,
        seq: u64,
    ) -> Result<OutboundOpaqueMessage, Error> {
        let total = self.encrypted_payload_len(message.payload.len());
        let mut payload = PrefixedPayload::with_capacity(total);
        payload.extend_from_chunks(&message.payload);
        payload.extend_from_slice(&[message.typ.into()]);
        let tag = self
            .aead
            .encrypt_inout_detached(
                &nonce::<A>(&self.iv, seq)?,
                &make_tls13_aad(total),
                payload.as_mut().into(),
            )
            .map_err(|_| Error::EncryptError)?;
        payload.extend_from_slice(&tag);
        // RFC 8446 §5.2: what lies outside says version 1.2 and application data, whatever lies inside.
        Ok(OutboundOpaqueMessage::new(ContentType::ApplicationData, ProtocolVersion::TLSv1_2, payload))
    }

    fn encrypted_payload_len(&self, payload: usize) -> usize {
        payload + 1 + TAG
    }
}

impl<A: AeadInOut + Send + Sync> MessageDecrypter for Protection<A> {
    fn decrypt<'a>(
        &mut self,
        mut message: InboundOpaqueMessage<'a>,
        seq: u64,
    ) -> Result<InboundPlainMessage<'a>, Error> {
        let payload = &mut message.payload;
        let aad = make_tls13_aad(payload.len());
        let plain = payload.len().checked_sub(TAG).ok_or(Error::DecryptError)?;
        let (ciphertext, tag) = payload.split_at_mut(plain);
        let tag = <&AeadTag<A>>::try_from(&*tag).map_err(|_| Error::DecryptError)?;
        self.aead
            .decrypt_inout_detached(&nonce::<A>(&self.iv, seq)?, &aad, InOutBuf::from(ciphertext), tag)
            .map_err(|_| Error::DecryptError)?;
        payload.truncate(plain);
        message.into_tls13_unpadded_message()
    }
}

/// RFC 8446 §5.3.
fn nonce<A: AeadInOut>(iv: &Iv, seq: u64) -> Result<AeadNonce<A>, Error> {
    AeadNonce::<A>::try_from(&Nonce::new(iv, seq).0[..]).map_err(|_| Error::EncryptError)
}
