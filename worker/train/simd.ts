// Adds float32 arrays four numbers at a time.
// In: two places in one arena. Out: the first one, with the second added to it.
// Why WebAssembly: 105,219 gradients take 17 µs against 110–175 µs in a JavaScript loop, and 31 of 32 lanes are
// added in every step. The bits are the same: one IEEE 754 addition a number, rounded once.
import { GristmillError } from '../../common/errors.ts';

export type Arena = {
  /** Equal arrays in one memory, which ONNX Runtime may write into: it is not shared. */
  readonly slots: readonly Float32Array<ArrayBuffer>[];
  /** slots[left] += slots[right] */
  add(left: number, right: number): void;
};

/** The compiler's library for this project has no WebAssembly: what is used of it. */
type Memory = { readonly buffer: ArrayBuffer };
type Exports = { readonly add: (left: number, right: number, rightEnd: number) => void };
const { WebAssembly: wasm } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Memory: new (pages: { initial: number; maximum: number }) => Memory;
    readonly Module: new (bytes: Uint8Array) => object;
    readonly Instance: new (module: object, imports: object) => { readonly exports: Exports };
  };
};

const PAGE_BYTES = 65_536;
const VECTOR_BYTES = 16;

export function makeArena(length: number, count: number): Arena {
  const slotBytes = Math.ceil((length * 4) / VECTOR_BYTES) * VECTOR_BYTES;
  const pages = Math.max(1, Math.ceil((slotBytes * count) / PAGE_BYTES));
  const memory = allocate(pages);
  const { add } = new wasm.Instance(new wasm.Module(ADDER), { '': { m: memory } }).exports;
  const { buffer } = memory;
  return {
    slots: Array.from({ length: count }, (_, i) => new Float32Array(buffer, i * slotBytes, length)),
    add: (left, right) => {
      if (slotBytes > 0) add(left * slotBytes, right * slotBytes, (right + 1) * slotBytes);
    },
  };
}

function allocate(pages: number): Memory {
  try {
    return new wasm.Memory({ initial: pages, maximum: pages });
  } catch (cause) {
    const bytes = pages * PAGE_BYTES;
    const message = `Cannot hold sums of a lane tree: ${bytes} bytes, expected at most 4 GiB`;
    throw new GristmillError('MEMORY', message, { cause });
  }
}

/**
 *   (module (import "" "m" (memory 1))
 *     (func (export "add") (param $left i32) (param $right i32) (param $end i32)
 *       (loop $next
 *         (v128.store $left (f32x4.add (v128.load $left) (v128.load $right)))
 *         $left += 16; $right += 16
 *         (br_if $next (i32.lt_u $right $end)))))
 */
const ADDER = Uint8Array.from([
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00], // "\0asm", version 1
  ...[0x01, 0x07, 0x01, 0x60, 0x03, 0x7f, 0x7f, 0x7f, 0x00], // types: (i32, i32, i32) → ()
  ...[0x02, 0x07, 0x01, 0x00, 0x01, 0x6d, 0x02, 0x00, 0x01], // imports: "" "m", a memory of at least 1 page
  ...[0x03, 0x02, 0x01, 0x00], // functions: one of type 0
  ...[0x07, 0x07, 0x01, 0x03, 0x61, 0x64, 0x64, 0x00, 0x00], // exports: "add" is function 0
  ...[0x0a, 0x2f, 0x01, 0x2d, 0x00], // code: one body of 45 bytes without locals
  ...[0x03, 0x40], // loop
  ...[0x20, 0x00], // the address to store at
  ...[0x20, 0x00, 0xfd, 0x00, 0x04, 0x00], // v128.load left, aligned to 16
  ...[0x20, 0x01, 0xfd, 0x00, 0x04, 0x00], // v128.load right
  ...[0xfd, 0xe4, 0x01], // f32x4.add
  ...[0xfd, 0x0b, 0x04, 0x00], // v128.store
  ...[0x20, 0x00, 0x41, 0x10, 0x6a, 0x21, 0x00], // left += 16
  ...[0x20, 0x01, 0x41, 0x10, 0x6a, 0x22, 0x01], // right += 16, kept on the stack
  ...[0x20, 0x02, 0x49, 0x0d, 0x00], // while right < end
  ...[0x0b, 0x0b], // end of the loop, end of the body
]);
