// What jose and openid-client take for granted and Node.js 18, Debian's, does not have. Imported before them.
import { webcrypto } from "node:crypto";

globalThis.crypto ??= webcrypto;
globalThis.CryptoKey ??= webcrypto.CryptoKey;
