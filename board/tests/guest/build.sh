#!/bin/sh
# Assembles the guest programs of the board's tests into words.rs. Needs GNU binutils for arm-none-eabi.
set -eu
cd "$(dirname "$0")"
out=$(mktemp -d)
{
  echo '//! Guest programs assembled by `build.sh` from the `.s` files beside this one; each runs at 0x80100000.'
  for source in *.s; do
    name=$(basename "$source" .s)
    arm-none-eabi-as -mcpu=cortex-m33 -mthumb -mfpu=fpv5-sp-d16 -mfloat-abi=softfp -o "$out/$name.o" "$source"
    arm-none-eabi-ld -Ttext=0x80100000 -e 0x80100000 -o "$out/$name.elf" "$out/$name.o"
    arm-none-eabi-objcopy -O binary "$out/$name.elf" "$out/$name.bin"
    echo
    echo "/// \`$source\`"
    echo "pub const $(echo "$name" | tr a-z A-Z): &[u32] = &["
    od -An -v -tx4 -w32 "$out/$name.bin" | sed 's/ \([0-9a-f]\{8\}\)/ 0x\1,/g; s/^ /    /'
    echo '];'
  done
} > words.rs
rm -r "$out"
