# Bytes served a second from each cache, over the working set
# Draws 03-page-cache-throughput.svg, 03-page-cache-throughput-narrow.svg and 03-page-cache-throughput.png from 03-page-cache-throughput.csv in this directory:
#   gnuplot 03-page-cache-throughput.gp
# Written by `millrace plot`; changes are lost.
set encoding utf8
set datafile separator comma
data = "03-page-cache-throughput.csv"
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
  dotting = narrow && 4 > 16 ? 1000000 : 1
  crowded = narrow && 1
  if (output eq "svg") {
    set terminal svg size 960,542 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "03-page-cache-throughput.svg"
  }
  if (narrow) {
    set terminal svg size 400,798 dynamic font "DejaVu Sans,14" background "#ffffff"
    set output "03-page-cache-throughput-narrow.svg"
  }
  if (output eq "png") {
    set terminal pngcairo size 960,542 fontscale 0.75 font "DejaVu Sans,14" background "#ffffff"
    set output "03-page-cache-throughput.png"
  }
  set termoption noenhanced
  unset label
  set label 1 "Bytes served a second from each cache, over the working set" at screen 0.5, screen 1 offset 0,-1.1 center font ",17"
  set label 2 "median of n = 7; bands: bootstrap 95 %; dots: runs · standard profile · 20261126T004312Z-3afb1ef" at screen 0.5, screen 1 offset 0,-2.4 center font ",11" tc rgb "#555555"
  if (narrow) {
    set label 1 "Bytes served a second from each cache,\nover the working set" font ",14"
    set label 2 "median of n = 7, bootstrap 95 % · standard profile ·\n20261126T004312Z-3afb1ef" font ",10" offset 0,-3.3000000000000003
  }
  set multiplot
  unset key
  set border 3 lc rgb "#444444"
  set tics out scale 0.6 textcolor rgb "#222222"
  set xtics nomirror; set ytics nomirror
  set grid ytics lc rgb "#dddddd" lt 1 lw 1
  set style fill transparent solid 0.18 noborder
  set boxwidth 0.172 absolute
  set logscale x
  set xrange [12.142857:375.2]
  set xtics ("17" 17, "34" 34, "134" 134, "268" 268) font ",14"
  if (narrow) { set xtics ("17" 17, "34" 34, "134" 134, "268" 268) font ",12" }
  set logscale y
  set ytics ("200" 200, "500" 500, "1000" 1000, "2000" 2000, "5000" 5000, "10k" 10000, "20k" 20000)
  if (narrow) { set ytics ("200" 200, "500" 500, "1000" 1000, "2000" 2000, "5000" 5000, "10k" 10000, "20k" 20000) }
  set yrange [140.863174:27019.655919]
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.567669; set tmargin at screen 0.837093 } else { set lmargin at screen 0.092083; set rmargin at screen 0.525208; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "uniform" font ",14" offset 0,-0.4
  set xlabel "working set, MB" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s" offset 0,0
  if (narrow) { unset xlabel }
  plot data skip 1 using (pick("uniform", "page-cache", "median", 4)):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("uniform", "boxed", "median", 4)):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("uniform", "arena", "median", 4)):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("uniform", "both", "median", 4)):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("uniform", "page-cache", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("uniform", "boxed", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("uniform", "arena", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("uniform", "both", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("uniform", "page-cache", "median", 4)):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("uniform", "boxed", "median", 4)):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("uniform", "arena", "median", 4)):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("uniform", "both", "median", 4)):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("uniform", "page-cache", "median", 4)):6:(hover("page cache")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("uniform", "boxed", "median", 4)):6:(hover("objects in the process")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("uniform", "arena", "median", 4)):6:(hover("plain bytes in the process")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("uniform", "both", "median", 4)):6:(hover("cached in both")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  if (narrow) { set lmargin at screen 0.221; set rmargin at screen 0.955; set bmargin at screen 0.192982; set tmargin at screen 0.462406 } else { set lmargin at screen 0.548125; set rmargin at screen 0.98125; set bmargin at screen 0.221402; set tmargin at screen 0.830258 }
  unset arrow
  set title "zipf" font ",14" offset 0,-0.4
  set xlabel "working set, MB" offset 0,screen (narrow ? 0 : 0)
  set ylabel "MB/s" offset 0,0
  unset label
  if (!narrow) { unset ylabel; set ytics ("" 200, "" 500, "" 1000, "" 2000, "" 5000, "" 10000, "" 20000) }
  plot data skip 1 using (pick("zipf", "page-cache", "median", 4)):7:8 with filledcurves lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("zipf", "boxed", "median", 4)):7:8 with filledcurves lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("zipf", "arena", "median", 4)):7:8 with filledcurves lc rgb "#009E73" notitle, \
    data skip 1 using (pick("zipf", "both", "median", 4)):7:8 with filledcurves lc rgb "#CC79A7" notitle, \
    data skip dotting using (pick("zipf", "page-cache", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#700072B2" notitle, \
    data skip dotting using (pick("zipf", "boxed", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70D55E00" notitle, \
    data skip dotting using (pick("zipf", "arena", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70009E73" notitle, \
    data skip dotting using (pick("zipf", "both", "raw", 4)):6 with points pt 7 ps 0.28 lc rgb "#70CC79A7" notitle, \
    data skip 1 using (pick("zipf", "page-cache", "median", 4)):6 with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" notitle, \
    data skip 1 using (pick("zipf", "boxed", "median", 4)):6 with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" notitle, \
    data skip 1 using (pick("zipf", "arena", "median", 4)):6 with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" notitle, \
    data skip 1 using (pick("zipf", "both", "median", 4)):6 with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" notitle, \
    data skip 1 using (pick("zipf", "page-cache", "median", 4)):6:(hover("page cache")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe0072B2" notitle, \
    data skip 1 using (pick("zipf", "boxed", "median", 4)):6:(hover("objects in the process")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feD55E00" notitle, \
    data skip 1 using (pick("zipf", "arena", "median", 4)):6:(hover("plain bytes in the process")) with labels hypertext point pt 7 ps 1.2 lc rgb "#fe009E73" notitle, \
    data skip 1 using (pick("zipf", "both", "median", 4)):6:(hover("cached in both")) with labels hypertext point pt 7 ps 1.2 lc rgb "#feCC79A7" notitle
  unset label; unset arrow; unset title; unset xlabel; unset ylabel; unset border; unset tics; unset grid
  unset logscale
  set lmargin at screen 0.02; set rmargin at screen 0.98; set bmargin at screen 0.005
  set tmargin at screen (narrow ? 0.120301 : 0.114391)
  set key at screen 0.5, screen 0.012 center bottom Left reverse horizontal maxcols 3 samplen 2.4 spacing 1.1 font ",12"
  if (narrow) { set key at screen 0.02, screen 0.012 left bottom Left reverse vertical maxcols 1 maxrows 4 spacing 1 }
  plot [0:1] [0:1] -1 notitle, \
    keyentry with linespoints lw 2.2 pt 7 ps 0.75 lc rgb "#0072B2" title "page cache", \
    keyentry with linespoints lw 2.2 pt 5 ps 0.75 lc rgb "#D55E00" title "objects in the process", \
    keyentry with linespoints lw 2.2 pt 9 ps 0.75 lc rgb "#009E73" title "plain bytes in the process", \
    keyentry with linespoints lw 2.2 pt 11 ps 0.75 lc rgb "#CC79A7" title "cached in both"
  unset multiplot
  unset output
}
