# Appends a second over records stored
# Draws 05-log-against-tree.svg, 05-log-against-tree-narrow.svg and 05-log-against-tree.png from 05-log-against-tree.csv in this directory:
#   gnuplot 05-log-against-tree.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "05-log-against-tree.csv"
# Three digits and never an exponent: 12.3k, 425M, 3.59G.
told(value, unit) = sprintf(value >= 99.95 ? "%.0f%s" : "%.3g%s", value, unit)
shown(value) = value >= 999.5e6 ? told(value / 1e9, "G") : value >= 999.5e3 ? told(value / 1e6, "M") : \
  value >= 9999.5 ? told(value / 1e3, "k") : told(value, "")
# The value of a column where panel, series and kind fit, else nothing.
pick(panel, series, kind, place) = \
  (strcol(1) eq panel && strcol(2) eq series && strcol(3) eq kind) ? column(place) : NaN
# Over a bar, in two digits where bars are many.
over(value) = 1 && value < 9999.5 ? sprintf(value >= 9.95 ? "%.0f" : "%.2g", value) : shown(value)
hover(label) = sprintf("%s, %s: %s [%s, %s], n = %d", \
  label, strcol(5), shown(column(6)), shown(column(7)), shown(column(8)), column(9))
do for [output in "svg narrow png"] {
  narrow = output eq "narrow"
  # A narrow page has no room for the runs of many places, or the values of many bars.
  dotting = narrow && 6 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,540 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "05-log-against-tree.svg"
  }
  if (narrow) {
    set terminal svg size 400,498 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "05-log-against-tree-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,540 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "05-log-against-tree.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Appends a second over records stored" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261126T003945Z-3afb1ef" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Appends a second over records stored" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T003945Z-3afb1ef" font ",10" offset 0,-2.2
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.114667 absolute
  set logscale x
  set xrange [71428.571429:4480000]
  set xtics ("100k" 100000, "200k" 200000, "400k" 400000, "800k" 800000, "1.6M" 1600000, "3.2M" 3200000) font ",14"
  if (narrow) { set xtics ("100k" 100000, "200k" 200000, "400k" 400000, "800k" 800000, "1.6M" 1600000, "3.2M" 3200000) font ",12" }
  set logscale y
  set ytics ("10k" 10000, "20k" 20000, "50k" 50000, "100k" 100000, "200k" 200000, "500k" 500000)
  if (narrow) { set ytics ("10k" 10000, "20k" 20000, "50k" 50000, "100k" 100000, "200k" 200000, "500k" 500000) }
  set yrange [7447.948781:838584.122732]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.393574; set tmargin at screen 0.825301 } else { set lmargin at screen 0.092083; set rmargin at screen 0.98125; set bmargin at screen 0.266667; set tmargin at screen 0.877778 }
  unset arrow
  unset title
  set xlabel "records stored" offset 0,screen (narrow ? 0 : 0)
  set ylabel "appends a second" offset 0,0
  plot data skip 1 using (pick("", "append-log", "median", 4) * 0.90125):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "lmdb-random", "median", 4) * 0.939523):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "lmdb-offset", "median", 4) * 0.97942):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "sqlite-random", "median", 4) * 1.021012):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "sqlite-offset", "median", 4) * 1.06437):7:8 with filledcurves lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "rocksdb-random", "median", 4) * 1.109569):7:8 with filledcurves lc rgb "#56B4E9" notitle, \
    data skip dotting using (pick("", "append-log", "raw", 4) * 0.90125):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("", "lmdb-random", "raw", 4) * 0.939523):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("", "lmdb-offset", "raw", 4) * 0.97942):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("", "sqlite-random", "raw", 4) * 1.021012):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip dotting using (pick("", "sqlite-offset", "raw", 4) * 1.06437):6 with points pt 7 ps 0.28 lc rgb "#70E69F00" notitle, \
    data skip dotting using (pick("", "rocksdb-random", "raw", 4) * 1.109569):6 with points pt 7 ps 0.28 lc rgb "#7056B4E9" notitle, \
    data skip 1 using (pick("", "append-log", "median", 4) * 0.90125):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("", "lmdb-random", "median", 4) * 0.939523):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("", "lmdb-offset", "median", 4) * 0.97942):6 with linespoints lw 2.2 dt (8,4) pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("", "sqlite-random", "median", 4) * 1.021012):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("", "sqlite-offset", "median", 4) * 1.06437):6 with linespoints lw 2.2 dt (8,4) pt 13 ps 0.75 lc rgb "#E69F00" notitle, \
    data skip 1 using (pick("", "rocksdb-random", "median", 4) * 1.109569):6 with linespoints lw 2.2 dt (8,4) pt 15 ps 0.75 lc rgb "#56B4E9" notitle, \
    data skip 1 using (pick("", "append-log", "median", 4) * 0.90125):6:(hover("append-only log")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("", "lmdb-random", "median", 4) * 0.939523):6:(hover("B-tree at random keys (LMDB)")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("", "lmdb-offset", "median", 4) * 0.97942):6:(hover("B-tree keyed by offset (LMDB)")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("", "sqlite-random", "median", 4) * 1.021012):6:(hover("B-tree at random keys (SQLite)")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle, \
    data skip 1 using (pick("", "sqlite-offset", "median", 4) * 1.06437):6:(hover("B-tree keyed by offset (SQLite)")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feE69F00" notitle, \
    data skip 1 using (pick("", "rocksdb-random", "median", 4) * 1.109569):6:(hover("LSM tree at random keys (RocksDB)")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe56B4E9" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.277108 : 0.159259)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 2 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 6 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "append-only log", \
    keyentry with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" title "B-tree at random keys (LMDB)", \
    keyentry with linespoints lw 2.2 dt (8,4) pt 9 ps 0.75 lc rgb "#009E73" title "B-tree keyed by offset (LMDB)", \
    keyentry with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" title "B-tree at random keys (SQLite)", \
    keyentry with linespoints lw 2.2 dt (8,4) pt 13 ps 0.75 lc rgb "#E69F00" title "B-tree keyed by offset (SQLite)", \
    keyentry with linespoints lw 2.2 dt (8,4) pt 15 ps 0.75 lc rgb "#56B4E9" title "LSM tree at random keys (RocksDB)"
  unset multiplot
  unset output
}
